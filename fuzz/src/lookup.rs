//! The body of a lookup, as a counter could send it.

use libfuzzer_sys::Corpus;
use loket_gateway::refusal::Refusal;
use loket_gateway::reply;
use loket_gateway::validate;

pub(crate) fn run(body: &[u8]) -> Corpus {
    match validate::lookup(body) {
        Ok(valid) => {
            let lookup = serde_json::to_vec(valid.lookup()).expect("a lookup can be written");
            let again = validate::lookup(&lookup).expect("what was valid stays valid");
            assert_eq!(again.subject(), valid.subject());
            assert!(valid.names().count() <= 2);
        }
        Err(refusal) => refused(&refusal),
    }
    Corpus::Keep
}

pub(crate) fn refused(refusal: &Refusal) {
    let problem = reply::problem_of(refusal, "");
    let said = serde_json::to_string(&problem).expect("a problem can be written");
    assert!(said.len() < 16_384, "a problem of {} bytes", said.len());
    crate::is_silent(&said);
}
