//! A PostgreSQL server of its own, on a socket in a directory that goes with it: no port, no account.
//! It can be stopped as by a power cut, started anew, and asked as its owner.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where Debian's packages have it.
const BINARIES: &str = "/usr/lib/postgresql/15/bin";
/// The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Installs it from Debian's packages where it is missing.
fn install() {
    let is_there = || Path::new(BINARIES).join("initdb").exists();
    if is_there() {
        return;
    }
    for words in ["update", "install -y --no-install-recommends postgresql-15"] {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq").args(words.split(' '));
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null());
        // What it says against it stands on standard error.
        let _ = apt.status();
    }
    assert!(
        is_there(),
        "PostgreSQL 15 isn't installed, and couldn't be: as root, apt-get install postgresql-15 (the \
         tests look in {BINARIES})"
    );
}

/// A server with one database, `audit`, whose owner is `owner`.
pub struct Database {
    place: TempDir,
    server: Option<Child>,
}

impl Database {
    /// Makes and starts one, and runs `schema` in its database. `gateway` may log in, in the role
    /// `loket_audit_writer`.
    ///
    /// # Panics
    /// When PostgreSQL can't be installed, or doesn't start.
    #[must_use]
    pub fn start(schema: &str) -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(install);
        let place = TempDir::new().expect("a directory");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        fs::create_dir(place.path().join("home")).expect("ours");
        if let Some((user, group)) = server_account() {
            chown(place.path().join("home"), Some(user), Some(group)).expect("we are root");
        }
        let mut database = Self {
            place,
            server: None,
        };
        let data = database.data().to_string_lossy().into_owned();
        let mut made = database.program("initdb");
        made.args([
            "-D",
            &data,
            "-U",
            "owner",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]);
        assert!(
            made.output().expect("a process").status.success(),
            "initdb fails"
        );
        database.configure("");
        database.run();
        database.ask_in("postgres", "CREATE DATABASE audit");
        database.ask(schema);
        database.ask("CREATE ROLE gateway LOGIN IN ROLE loket_audit_writer");
        database
    }

    /// The directory of its socket, which is the host to connect to.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.place.path().join("home")
    }

    /// Where its data is.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.socket().join("data")
    }

    /// Lines of its configuration besides the usual ones; they count from the next start.
    ///
    /// # Panics
    /// When they can't be written.
    pub fn configure(&self, lines: &str) {
        let socket = self.socket();
        let usual = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nshared_buffers = '16MB'\n\
             max_connections = 40\nlog_min_messages = fatal\n",
            socket.display()
        );
        fs::write(self.data().join("postgresql.conf"), usual + lines).expect("a file");
    }

    /// Writes a file that only the server may read, beside its data; its path.
    ///
    /// # Panics
    /// When it can't.
    pub fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.data().join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        if let Some((user, group)) = server_account() {
            chown(&path, Some(user), Some(group)).expect("we are root");
        }
        path
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't.
    pub fn run(&mut self) {
        let data = self.data().to_string_lossy().into_owned();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log());
        let mut server = self.program("postgres");
        server.args(["-D", &data]).stdout(Stdio::null());
        let server = server
            .stderr(log.expect("a file"))
            .spawn()
            .expect("a process");
        self.server = Some(server);
        let until = Instant::now() + PATIENCE;
        let socket = self.socket();
        loop {
            let mut ready = Command::new(Path::new(BINARIES).join("pg_isready"));
            let ready = ready
                .arg("-q")
                .arg("-h")
                .arg(&socket)
                .status()
                .expect("a process");
            if ready.success() {
                return;
            }
            assert!(
                Instant::now() < until,
                "{}",
                fs::read_to_string(self.log()).unwrap_or_default()
            );
            std::thread::yield_now();
        }
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }

    /// Ends it as a power cut does: nothing that isn't on its disk is there when it starts again.
    ///
    /// # Panics
    /// When it can't.
    pub fn crash(&mut self) {
        let mut server = self.server.take().expect("it runs");
        signal(server.id(), "QUIT");
        server.wait().expect("it ends");
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// When it can't.
    pub fn stop(&mut self) {
        let mut server = self.server.take().expect("it runs");
        signal(server.id(), "INT");
        server.wait().expect("it ends");
    }

    /// Lets all its processes stand still, until what is answered is dropped.
    ///
    /// # Panics
    /// When it can't.
    #[must_use]
    pub fn freeze(&self) -> Still {
        let server = self.server.as_ref().expect("it runs").id();
        signal(server, "STOP");
        // Nobody makes new ones now.
        let processes = fs::read_dir("/proc").expect("Linux").flatten();
        let children = processes.filter_map(|process| {
            let id = process.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            let parent = stat
                .rsplit_once(')')?
                .1
                .split_whitespace()
                .nth(1)?
                .parse::<u32>()
                .ok()?;
            (parent == server).then_some(id)
        });
        let processes: Vec<u32> = children.chain([server]).collect();
        for process in &processes {
            signal(*process, "STOP");
        }
        Still(processes)
    }

    /// What `psql` answers to the owner.
    ///
    /// # Panics
    /// When the database refuses.
    pub fn ask(&self, sql: &str) -> String {
        self.ask_in("audit", sql)
    }

    fn ask_in(&self, database: &str, sql: &str) -> String {
        self.ask_as("owner", database, sql)
            .expect("the owner may do all")
    }

    /// What `psql` answers to somebody.
    ///
    /// # Errors
    /// What the database says when it refuses.
    ///
    /// # Panics
    /// When `psql` can't be run.
    pub fn ask_as(&self, user: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(Path::new(BINARIES).join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", user]);
        psql.args(["-d", database]).arg("-h").arg(self.socket());
        psql.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut psql = psql.spawn().expect("a process");
        let mut stdin = psql.stdin.take().expect("it is piped");
        // One that is refused early doesn't read all.
        let _ = stdin.write_all(sql.as_bytes());
        drop(stdin);
        let done = psql.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match done.status.success() {
            true => Ok(text(&done.stdout)),
            false => Err(text(&done.stderr)),
        }
    }

    /// Asks as somebody, and keeps the session.
    ///
    /// # Panics
    /// When `psql` can't be run, or doesn't answer.
    #[must_use]
    pub fn keeps(&self, user: &str, sql: &str) -> Kept {
        let mut psql = Command::new(Path::new(BINARIES).join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-U", user, "-d", "audit"]);
        psql.arg("-h").arg(self.socket());
        psql.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut psql = psql.spawn().expect("a process");
        let asked = format!("{sql};\nSELECT 'done';\n");
        let stdin = psql.stdin.as_mut().expect("it is piped");
        stdin.write_all(asked.as_bytes()).expect("it reads");
        let mut lines = BufReader::new(psql.stdout.take().expect("it is piped")).lines();
        let done = lines.any(|line| line.expect("text") == "done");
        assert!(done, "{sql}");
        Kept(psql)
    }

    /// One of the server's programs, as an account that may run it: root may not.
    fn program(&self, name: &str) -> Command {
        let program = Path::new(BINARIES).join(name);
        let mut command = match server_account() {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={user}"))
                    .arg(format!("--regid={group}"));
                command
                    .args(["--clear-groups", "--pdeathsig=QUIT", "--"])
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(self.socket());
        command
    }
}

/// A session that lasts for as long as this lives.
pub struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that stands still, for as long as this lives.
pub struct Still(Vec<u32>);

impl Drop for Still {
    fn drop(&mut self) {
        for process in &self.0 {
            signal(*process, "CONT");
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.crash();
        }
    }
}

/// The account that Debian's package makes, if we are root.
fn server_account() -> Option<(u32, u32)> {
    let ours = fs::metadata("/proc/self").expect("Linux");
    if std::os::unix::fs::MetadataExt::uid(&ours) != 0 {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").expect("accounts");
    let line = accounts.lines().find(|line| line.starts_with("postgres:"));
    let mut numbers = line.expect("the account postgres").split(':').skip(2);
    let mut number = || {
        numbers
            .next()
            .and_then(|number| number.parse().ok())
            .expect("a number")
    };
    Some((number(), number()))
}

fn signal(process: u32, name: &str) {
    let mut kill = Command::new("kill");
    let sent = kill
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status();
    assert!(sent.expect("a process").success());
}
