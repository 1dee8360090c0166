//! Pattern: which paths of a service a grant names.

use std::fmt;
use std::str::FromStr;

/// A path pattern: `/people/*/status`, where `*` is one segment, and `**` at the end any number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathPattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("isn't a path pattern")]
pub struct InvalidPattern;

/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 200;

impl FromStr for PathPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let rest = text.strip_prefix('/').ok_or(InvalidPattern)?;
        let last = rest.split('/').count() - 1;
        let fits = |(n, segment): (usize, &str)| match segment {
            "*" => true,
            "**" => n == last,
            "." | ".." => false,
            // The root alone.
            "" => rest.is_empty(),
            literal => literal
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&b)),
        };
        match text.len() <= MAX_PATTERN && rest.split('/').enumerate().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidPattern),
        }
    }
}

impl PathPattern {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a canonical path, segment by segment.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut wanted = segments(&self.0);
        let mut given = segments(path);
        loop {
            match (wanted.next(), given.next()) {
                (Some("**"), _) | (None, None) => return true,
                (Some("*"), Some(_)) => {}
                (Some(literal), Some(segment)) if literal == segment => {}
                _ => return false,
            }
        }
    }
}

/// The root has none.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let rest = path.strip_prefix('/').filter(|rest| !rest.is_empty());
    rest.into_iter().flat_map(|rest| rest.split('/'))
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern: PathPattern = pattern.parse().unwrap();
        for path in matching {
            assert!(pattern.matches(path), "{pattern} names {path}");
        }
        for path in others {
            assert!(!pattern.matches(path), "{pattern} doesn't name {path}");
        }
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_the_rest() {
        check("/", &["/"], &["/a"]);
        check("/**", &["/", "/a", "/a/b"], &[]);
        check(
            "/people",
            &["/people"],
            &["/", "/people/1", "/peopl", "/People"],
        );
        check(
            "/people/*/status",
            &["/people/1/status", "/people/%2A/status"],
            &[
                "/people/status",
                "/people/1/2/status",
                "/people/1",
                "/people/1/status/x",
            ],
        );
        check(
            "/people/**",
            &["/people", "/people/1", "/people/1/2"],
            &["/peoples", "/"],
        );
        check("/*", &["/a"], &["/", "/a/b"]);
    }

    #[test]
    fn what_could_be_read_in_several_ways_is_no_pattern() {
        let long = format!("/{}", "a".repeat(MAX_PATTERN));
        for bad in [
            "",
            "people",
            "//",
            "/a//b",
            "/a/",
            "/a/**/b",
            "/../a",
            "/./a",
            "/a*",
            "/***",
            "/a%20b",
            "/a b",
            "/a?b",
            "/a#b",
            "/a;b",
            "/caf\u{e9}",
            long.as_str(),
        ] {
            assert_eq!(bad.parse::<PathPattern>(), Err(InvalidPattern), "{bad}");
        }
    }
}
