//! The dialogues before TLS.

use proto::starttls::{Dialogue, LINE_MAX, Names, Progress, Protocol, Refusal, Said};

use crate::codecs::split;

/// What a dialogue came to.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    output: Vec<u8>,
    said: Vec<Said>,
    result: Result<Progress, Refusal>,
}

/// Whether nothing in it can move a cursor.
fn is_safe(text: &str) -> bool {
    proto::escape::terminal(text.as_bytes()) == text
}

fn play(protocol: Protocol, pieces: &[&[u8]]) -> Seen {
    let names = Names { server: Some("mail.example"), own: None };
    let mut dialogue = Dialogue::new(protocol, names);
    let mut output = dialogue.take_output();
    let mut result = Ok(Progress::More);
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        result = dialogue.receive(piece);
        output.extend(dialogue.take_output());
        if result.is_err() {
            break;
        }
    }
    let said = dialogue.take_said();
    for said in &said {
        let (Said::Sent(text) | Said::Received(text)) = said;
        assert!(is_safe(text), "{text:?}");
    }
    for refusal in result.iter().map(|_| dialogue.ended()).chain(result.clone().err()) {
        let lines = refusal.more(protocol);
        assert!(is_safe(&refusal.to_string()) && lines.iter().all(|line| is_safe(line)));
        assert!(lines.iter().map(String::len).sum::<usize>() < LINE_MAX);
    }
    // What is shown of these is what had arrived.
    let result = result.map_err(|refusal| match refusal {
        Refusal::Injected { .. } => Refusal::Injected { bytes: String::new() },
        Refusal::Strange { wanted, .. } => Refusal::Strange { wanted, answer: String::new() },
        other => other,
    });
    Seen { output, said, result }
}

/// STARTTLS: the first byte names the protocol, the next says how to cut the rest. Split or whole,
/// what is shown is safe, and we say no more than a dialogue needs.
pub fn starttls(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else { return };
    let protocol = Protocol::ALL[usize::from(which) % Protocol::ALL.len()];
    let (input, pieces) = split(data);
    let whole = play(protocol, &[input]);
    assert_eq!(play(protocol, &pieces), whole);
    assert!(whole.output.len() < 512, "{:?}", whole.output);
    // After leave, and after nothing else, TLS begins.
    let spoke = whole.said.iter().any(|said| matches!(said, Said::Received(_)));
    assert!(whole.result != Ok(Progress::Ready) || spoke);
}
