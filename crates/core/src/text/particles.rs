//! Korean particles: a template writes both forms (`'{name}'을(를)`), and the word in front decides.
//!
//! Knows Hangul, numbers as they are read, and Latin letters by the habits of writing English words
//! in Hangul; what cannot be told is taken to end in a vowel.

/// How the sound in front of a particle ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Vowel,
    /// ㄹ, which takes 로 and yet 은, 이, 을.
    Rieul,
    Consonant,
}

/// Both forms as templates write them, then the one after a consonant and the one after a vowel.
const PAIRS: [(&str, &str, &str); 7] = [
    ("은(는)", "은", "는"),
    ("이(가)", "이", "가"),
    ("을(를)", "을", "를"),
    ("와(과)", "과", "와"),
    ("과(와)", "과", "와"),
    ("(으)로", "으로", "로"),
    ("(이)", "이", ""),
];

/// Appends a template's own words to `text`, each pair of forms as the one that fits what stands in front of it.
pub(super) fn append(text: &mut String, mut words: &str) {
    while let Some((at, pair)) = first_pair(words) {
        let (both, after_consonant, after_vowel) = pair;
        text.push_str(&words[..at]);
        text.push_str(match (ending(text), both) {
            (Ending::Vowel, _) | (Ending::Rieul, "(으)로") => after_vowel,
            _ => after_consonant,
        });
        words = &words[at + both.len()..];
    }
    text.push_str(words);
}

fn first_pair(words: &str) -> Option<(usize, (&'static str, &'static str, &'static str))> {
    PAIRS.iter().filter_map(|pair| Some((words.find(pair.0)?, *pair))).min_by_key(|(at, _)| *at)
}

/// The ending of the last word, past closing quotes and what stands in brackets behind it.
fn ending(text: &str) -> Ending {
    let mut rest = text.trim_end();
    loop {
        let shorter = rest.trim_end_matches(['\'', '"', '`', '’', '”', '…', ']']);
        let open = shorter.strip_suffix(')').and_then(|inside| inside.rfind('(')).filter(|open| *open > 0);
        let shorter = open.map_or(shorter, |open| &shorter[..open]);
        if shorter.len() == rest.len() {
            break;
        }
        rest = shorter;
    }
    match rest.chars().next_back() {
        Some(syllable @ '가'..='힣') => match (u32::from(syllable) - u32::from('가')) % 28 {
            0 => Ending::Vowel,
            8 => Ending::Rieul,
            _ => Ending::Consonant,
        },
        // 일, 칠, 팔; 영, 십, 백, 천, 삼, 육.
        Some('1' | '7' | '8') => Ending::Rieul,
        Some('0' | '3' | '6') => Ending::Consonant,
        // 퍼센트, 이, 사, 오, 구.
        Some(letter) if letter.is_ascii_alphabetic() => latin_ending(last_word(rest)),
        _ => Ending::Vowel,
    }
}

fn last_word(text: &str) -> &str {
    text.rsplit(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or(text)
}

fn latin_ending(word: &str) -> Ending {
    let letters = word.to_ascii_lowercase();
    let is_vowel = |letter: u8| matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let bytes = letters.as_bytes();
    let (Some(last), before) = (bytes.last().copied(), bytes.len().checked_sub(2).map(|at| bytes[at])) else {
        return Ending::Vowel;
    };
    // Letter by letter: GPU, stt, a single i of Gi.
    let is_spelt = word.bytes().all(|letter| letter.is_ascii_uppercase())
        || !bytes.iter().any(|letter| is_vowel(*letter));
    match (last, before) {
        (b'l', _) => Ending::Rieul,
        (b'r', _) if is_spelt => Ending::Rieul,
        (b'm' | b'n', _) => Ending::Consonant,
        _ if is_spelt => Ending::Vowel,
        (b'g', Some(b'n')) => Ending::Consonant,
        (b'b' | b'c' | b'k' | b'p' | b't', Some(letter))
            if is_vowel(letter) || (last, letter) == (b'k', b'c') =>
        {
            Ending::Consonant
        }
        (b'e', Some(b'l')) => Ending::Rieul,
        (b'e', Some(b'm' | b'n' | b'p')) => Ending::Consonant,
        _ => Ending::Vowel,
    }
}

#[cfg(test)]
mod tests {
    use super::append;

    fn said(word: &str, particle: &str) -> String {
        let mut text = word.to_owned();
        append(&mut text, particle);
        text
    }

    #[test]
    fn a_particle_follows_the_last_letter_of_hangul() {
        assert_eq!(said("테넌트", "은(는) 삭제 중"), "테넌트는 삭제 중");
        assert_eq!(said("챗봇", "은(는)"), "챗봇은");
        assert_eq!(said("서울", "(으)로"), "서울로");
        assert_eq!(said("부산", "(으)로"), "부산으로");
        assert_eq!(said("서울", "을(를)"), "서울을");
        assert_eq!(said("이름", "와(과) 값"), "이름과 값");
        assert_eq!(said("주소", "(이)라는"), "주소라는");
    }

    #[test]
    fn numbers_are_read_aloud() {
        for (number, particle, expected) in [
            ("10", "이(가)", "10이"),
            ("2", "이(가)", "2가"),
            ("99.9", "을(를)", "99.9를"),
            ("7", "(으)로", "7로"),
            ("3", "(으)로", "3으로"),
            ("1000m", "이(가)", "1000m이"),
            ("99.9%", "을(를)", "99.9%를"),
        ] {
            assert_eq!(said(number, particle), expected);
        }
    }

    #[test]
    fn latin_words_go_by_how_they_are_written_in_hangul() {
        for (word, particle, expected) in [
            ("callbot", "이(가)", "callbot이"),
            ("tenant", "이(가)", "tenant가"),
            ("acme-bank", "은(는)", "acme-bank는"),
            ("redis", "을(를)", "redis를"),
            ("label", "(으)로", "label로"),
            ("medium", "(으)로", "medium으로"),
            ("micro", "(으)로", "micro로"),
            ("large", "이(가)", "large가"),
            ("name", "을(를)", "name을"),
            ("GPU", "이(가)", "GPU가"),
            ("YAML", "은(는)", "YAML은"),
            ("stt", "을(를)", "stt를"),
            ("metrics.cpu", "을(를)", "metrics.cpu를"),
        ] {
            assert_eq!(said(word, particle), expected);
        }
    }

    #[test]
    fn quotes_and_brackets_behind_the_word_are_passed_over() {
        assert_eq!(said("'시험'", "을(를)"), "'시험'을");
        assert_eq!(
            said("Deployment 'callbot'(spec.replicas)", "을(를)"),
            "Deployment 'callbot'(spec.replicas)을"
        );
        assert_eq!(said("", "을(를)"), "를");
        assert_eq!(said("()", "을(를)"), "()를");
    }
}
