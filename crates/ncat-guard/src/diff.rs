//! What changed between two texts, line by line.

/// Lines compared at most; beyond that the rest is all old, then all new.
const LINES_MAX: usize = 4000;

/// Lines of both: `-` gone, `+` come, a space for what stayed.
pub(crate) fn diff(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let begin = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - begin;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let (a, b) = (&old[begin..old.len() - end], &new[begin..new.len() - end]);
    let mut out: Vec<String> = old[..begin].iter().map(|line| format!(" {line}")).collect();
    if a.len().max(b.len()) > LINES_MAX {
        out.extend(a.iter().map(|line| format!("-{line}")));
        out.extend(b.iter().map(|line| format!("+{line}")));
    } else {
        middle(a, b, &mut out);
    }
    out.extend(old[old.len() - end..].iter().map(|line| format!(" {line}")));
    out
}

/// By the longest common subsequence.
fn middle(a: &[&str], b: &[&str], out: &mut Vec<String>) {
    let mut longest = vec![vec![0_u16; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = match a[i] == b[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push(format!(" {}", a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || i < a.len() && longest[i + 1][j] >= longest[i][j + 1] {
            out.push(format!("-{}", a[i]));
            i += 1;
        } else {
            out.push(format!("+{}", b[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn lines() {
        assert_eq!(diff("a\nb\nc\nd", "a\nx\nc\nd\ne"), [" a", "-b", "+x", " c", " d", "+e"]);
        assert_eq!(diff("a\na", "a\na\na"), [" a", " a", "+a"]);
        assert_eq!(diff("", "a"), ["+a"]);
        assert_eq!(diff("a\nb", "a\nb"), [" a", " b"]);
    }
}
