//! Loaded before the C library: `fdatasync` takes so many milliseconds more as the file named by
//! `LOKET_SLOW_SYNC` says, for the thread that `LOKET_SLOW_THREAD` names or for all. No module of the
//! crate; `real/slow_sync.rs` compiles it.

use std::time::Duration;

unsafe extern "C" {
    fn fsync(file: i32) -> i32;
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: i32) -> i32 {
    let path = std::env::var_os("LOKET_SLOW_SYNC");
    let text = path.and_then(|path| std::fs::read_to_string(path).ok());
    let wait = text.and_then(|text| text.trim().parse().ok());
    let own = std::fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
    let wait = wait.filter(|_| {
        std::env::var("LOKET_SLOW_THREAD").map_or(true, |thread| thread == own.trim_end())
    });
    std::thread::sleep(Duration::from_millis(wait.unwrap_or(0)));
    // SAFETY: the C library's own function, which takes any number.
    unsafe { fsync(file) }
}
