use crate::fixture::golden;
use crate::reply::tests::refusals;

/// What callers are told, and what we are: one page to review the tone by.
#[test]
fn every_refusal_has_a_sentence_for_the_outside_and_a_cause_for_the_inside() {
    let mut page = String::new();
    for refusal in refusals() {
        let (code, sentence) = (refusal.code().as_str(), refusal.sentence());
        assert!(sentence.is_empty() || sentence.ends_with('.'), "{sentence}");
        let says = if sentence.is_empty() {
            "nothing"
        } else {
            &sentence
        };
        page += &format!("{code}\n  says   {says}\n");
        if let Some(cause) = refusal.cause() {
            page += &format!("  cause  {cause}\n");
        }
    }
    golden::check("refusals.txt", &page);
}
