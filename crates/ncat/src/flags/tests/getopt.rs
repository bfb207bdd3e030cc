//! The scanner against the C library's getopt_long, over random command lines.
//!
//! A C program made from the same table reads command lines and says what getopt_long finds in each.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::item::{Item, Origin, Update};
use super::super::scan::scan;
use super::super::table::{items, place};
use super::*;

const CASES: usize = 30_000;

/// Reads cases ended by an empty record; records end with NUL. The first record of a case is `P`
/// when POSIXLY_CORRECT is to be set; each word has a `.` before it, so that none is empty.
const PROGRAM: &str = r#"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static struct option longs[] = { LONGS { 0, 0, 0, 0 } };
static char record[4096], words[64][4096];
static int next_record(void) {
    int c, n = 0;
    while ((c = getchar()) > 0) record[n++] = (char) c;
    record[n] = 0;
    return c == 0;
}
int main(void) {
    dup2(1, 2);
    setvbuf(stdout, NULL, _IONBF, 0);
    while (next_record()) {
        char *argv[66] = { "ncat" };
        int argc = 1, c;
        if (record[0] == 'P') setenv("POSIXLY_CORRECT", "1", 1); else unsetenv("POSIXLY_CORRECT");
        while (next_record() && record[0]) {
            strcpy(words[argc], record + 1);
            argv[argc] = words[argc];
            argc++;
        }
        optind = 0;
        for (;;) {
            int at = -1;
            c = getopt_long(argc, argv, SHORTS, longs, &at);
            if (c == -1 || c == '?') break;
            if (at >= 0) printf("option --%s", longs[at].name); else printf("option -%c", c);
            if (optarg) printf(" value %s", optarg);
            printf("\n");
        }
        if (c == -1) while (optind < argc) printf("operand %s\n", argv[optind++]);
        printf("%c", 0);
    }
    return 0;
}
"#;

/// Ncat's options in getopt's order, each of which is only noted.
fn noting_table() -> Vec<&'static Item> {
    let mut table: Vec<Item> = items()
        .filter(|item| item.origin == Origin::Ncat)
        .map(|item| Item {
            update: Update::Absent(|_| {}),
            alias_of: None,
            unix_only: false,
            ..*item
        })
        .collect();
    table.sort_by_key(place);
    Box::leak(table.into_boxed_slice()).iter().collect()
}

fn program(table: &[&Item]) -> String {
    let (mut longs, mut shorts) = (String::new(), String::new());
    for item in table {
        let takes = u8::from(item.value.is_some());
        if let Some(name) = item.long {
            write!(longs, "{{ \"{name}\", {takes}, 0, {} }}, ", item.getopt_code())
                .expect("a String");
        }
        if let Some(letter) = item.short {
            shorts.push(letter);
            shorts.push_str(if takes == 1 { ":" } else { "" });
        }
    }
    PROGRAM.replace("LONGS", &longs).replace("SHORTS", &format!("\"{shorts}\""))
}

struct Case {
    posixly_correct: bool,
    words: Vec<String>,
}

/// A generator small enough to repeat a failure by its printed seed (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).expect("64-bit") % end
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn word(&mut self, table: &[&Item]) -> String {
        let plain = ["host", "80", "-", "", "--", "-1", "5ms", "a=b", "=", "---"];
        let letters: Vec<char> = "46UCceghiklmnopstuvwxzdqQ:;?W1-=G".chars().collect();
        let longs: Vec<&str> = table.iter().filter_map(|item| item.long).collect();
        match self.below(8) {
            0 | 1 => (*self.of(&plain)).to_owned(),
            2 | 3 => {
                let count = 1 + self.below(4);
                let cluster: String = (0..count).map(|_| *self.of(&letters)).collect();
                format!("-{cluster}")
            }
            kind => {
                let name = *self.of(&longs);
                let mut word = format!("--{}", &name[..self.below(name.len() + 1)]);
                if self.below(12) == 0 {
                    word.push(*self.of(&letters));
                }
                match (kind, self.below(3)) {
                    (4, 0) => word + "=",
                    (4, _) => format!("{word}={}", self.of(&plain)),
                    _ => word,
                }
            }
        }
    }
}

fn theirs(binary: &Path, cases: &[Case]) -> Vec<String> {
    let mut input = Vec::new();
    for case in cases {
        input.extend_from_slice(if case.posixly_correct { b"P\0" } else { b"-\0" });
        case.words.iter().for_each(|word| input.extend_from_slice(format!(".{word}\0").as_bytes()));
        input.push(0);
    }
    let input_path = binary.with_extension("in");
    std::fs::File::create(&input_path).expect("temporary file").write_all(&input).expect("written");
    let stdin = Stdio::from(std::fs::File::open(&input_path).expect("just written"));
    let output = Command::new(binary).stdin(stdin).env("LC_ALL", "C").output().expect("it runs");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("ASCII in, ASCII out");
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn ours(case: &Case, table: &[&'static Item]) -> String {
    let argv = std::iter::once("ncat").chain(case.words.iter().map(String::as_str));
    match scan(argv.map(OsString::from), case.posixly_correct, table) {
        Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned() + "\n",
        Ok(Parsed::Run(raw)) => {
            let options = raw.absent.iter().map(|option| match &option.value {
                Some(value) => format!("option {} value {value}\n", option.written),
                None => format!("option {}\n", option.written),
            });
            let operands = raw.operands.iter().map(|word| format!("operand {word}\n"));
            options.chain(operands).collect()
        }
        Ok(other) => panic!("{other:?}"),
    }
}

/// What both say, where getopt_long found options before it met an error: only the error counts,
/// because ncat then does nothing.
fn verdict(text: &str) -> String {
    match text.lines().find(|line| line.starts_with("ncat: ")) {
        Some(error) => format!("{error}\n"),
        None => text.to_owned(),
    }
}

fn compiled(source: &str) -> Option<PathBuf> {
    let dir = std::env::temp_dir().join(format!("ncat-getopt-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("temporary directory");
    let (code, binary) = (dir.join("getopt.c"), dir.join("getopt"));
    std::fs::write(&code, source).expect("temporary file");
    let status = Command::new("cc").arg("-o").arg(&binary).arg(&code).status().ok()?;
    assert!(status.success(), "the generated program does not compile");
    Some(binary)
}

#[test]
fn command_lines_mean_what_they_mean_to_getopt_long() {
    let table = noting_table();
    let Some(binary) = compiled(&program(&table)) else {
        let line = b"SKIPPED: no cc, the scanner was not compared with getopt_long\n";
        std::io::stderr().write_all(line).expect("standard error");
        return;
    };
    let seed = std::env::var("NCAT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()) * 0x9E37_79B9 + 1);
    let mut random = Random(seed);
    let cases: Vec<Case> = (0..CASES)
        .map(|_| Case {
            posixly_correct: random.below(4) == 0,
            words: (0..random.below(6)).map(|_| random.word(&table)).collect(),
        })
        .collect();
    let theirs = theirs(&binary, &cases);
    std::fs::remove_dir_all(binary.parent().expect("made above")).expect("removed");
    assert_eq!(theirs.len(), cases.len());
    let mut refused = 0;
    for (case, theirs) in cases.iter().zip(&theirs) {
        let (theirs, ours) = (verdict(theirs), ours(case, &table));
        refused += usize::from(theirs.starts_with("ncat: "));
        let words = &case.words;
        assert_eq!(
            ours, theirs,
            "{words:?}, posix {}, NCAT_TEST_SEED={seed}",
            case.posixly_correct
        );
    }
    // A generator that makes only bad lines, or only good ones, would prove little.
    assert!(refused > CASES / 10 && refused < CASES * 9 / 10, "{refused} of {CASES} refused");
}
