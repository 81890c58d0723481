//! The engine for the TypeScript SDK.
//!
//! One question goes in, one answer comes out, and nothing is kept in between: a question is JSON with the accounts that it
//! is about behind it, an answer is JSON. So there is no memory of the engine's that a page could hold on to, and no glue
//! to generate. Integers are decimal text with an `n` behind it, for JSON's own numbers are floats.
//!
//! | file | what is in it |
//! |---|---|
//! | [`abi`] | the three functions that the module exports |
//! | [`question`] | what can be asked, and the accounts that come along |
//! | [`answer`] | what comes back |
//! | [`int`] | integers as text |

pub mod abi;
pub mod answer;
pub mod int;
pub mod question;

use answer::Reply;
use question::Request;

/// Answers a question: `{ "ok": … }`, or `{ "error": "…" }` with a message for people.
#[must_use]
pub fn reply(request: &[u8]) -> Vec<u8> {
    let reply = match Request::read(request).and_then(|request| answer::answer(&request)) {
        Ok(ok) => Reply::Ok(ok),
        Err(error) => Reply::Error(error),
    };
    // Maps with text keys and text for integers: nothing that JSON can't hold.
    serde_json::to_vec(&reply).unwrap_or_default()
}
