//! Tokens of a query: parentheses, brackets, words, quoted names; `;` comments run to the end of the line.

use super::error::{Fault, quoted};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Comma,
    Word(&'a [u8]),
    Quoted(&'a [u8]),
    End,
}

impl Token<'_> {
    /// The token in an error message.
    pub fn describe(&self) -> String {
        match self {
            Token::Open => "`(`".into(),
            Token::Close => "`)`".into(),
            Token::OpenBracket => "`[`".into(),
            Token::CloseBracket => "`]`".into(),
            Token::Comma => "`,`".into(),
            Token::Word(word) => quoted(word),
            Token::Quoted(name) => format!("a quoted name {}", quoted(name)),
            Token::End => "the end of the file".into(),
        }
    }
}

/// Reads tokens one by one; the place of the last one is kept for messages.
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    next: usize,
    /// Offset of the token read last.
    pub at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a [u8]) -> Lexer<'a> {
        Lexer { text, next: 0, at: 0 }
    }

    pub fn next(&mut self) -> Result<Token<'a>, Fault> {
        self.skip_blanks();
        self.at = self.next;
        let Some(&first) = self.text.get(self.next) else { return Ok(Token::End) };
        self.next += 1;
        match first {
            b'(' => Ok(Token::Open),
            b')' => Ok(Token::Close),
            b'[' => Ok(Token::OpenBracket),
            b']' => Ok(Token::CloseBracket),
            b',' => Ok(Token::Comma),
            b'"' => self.quoted(),
            _ if is_word(first) => {
                let rest = &self.text[self.next..];
                self.next += rest.iter().position(|&b| !is_word(b)).unwrap_or(rest.len());
                Ok(Token::Word(&self.text[self.at..self.next]))
            }
            _ => Err(Fault::syntax(self.at, format!("unexpected byte 0x{first:02x}: a query is ASCII text, apart from comments"))),
        }
    }

    /// The next token, left in place.
    pub fn peek(&mut self) -> Result<Token<'a>, Fault> {
        let (next, at) = (self.next, self.at);
        let token = self.next();
        (self.next, self.at) = (next, at);
        token
    }

    /// Reads exactly this token.
    pub fn expect(&mut self, token: Token, purpose: &str) -> Result<(), Fault> {
        match self.next()? {
            found if found == token => Ok(()),
            found => Err(Fault::syntax(self.at, format!("expected {} {purpose}, found {}", token.describe(), found.describe()))),
        }
    }

    /// Reads a word.
    pub fn word(&mut self, purpose: &str) -> Result<&'a [u8], Fault> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            found => Err(Fault::syntax(self.at, format!("expected {purpose}, found {}", found.describe()))),
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(&b) = self.text.get(self.next) {
            match b {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0c => self.next += 1,
                b';' => {
                    let rest = &self.text[self.next..];
                    self.next += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn quoted(&mut self) -> Result<Token<'a>, Fault> {
        let rest = &self.text[self.next..];
        match rest.iter().position(|&b| b == b'"' || b == b'\n') {
            Some(end) if rest[end] == b'"' => {
                self.next += end + 1;
                Ok(Token::Quoted(&rest[..end]))
            }
            _ => Err(Fault::syntax(self.at, "a quoted name has no closing `\"` on its line")),
        }
    }
}

/// Printable ASCII other than delimiters.
fn is_word(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'(' | b')' | b'[' | b']' | b',' | b';' | b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_comments_and_places() {
        let mut lexer = Lexer::new(b"; caf\xe9\n(<= X[0,1] -1e-3)\r\n\"a b\"");
        let mut tokens = Vec::new();
        loop {
            match lexer.next().unwrap() {
                Token::End => break,
                token => tokens.push((lexer.at, token)),
            }
        }
        use Token::*;
        let word = |text: &'static str| Word(text.as_bytes());
        let expected = [Open, word("<="), word("X"), OpenBracket, word("0"), Comma, word("1"), CloseBracket, word("-1e-3"), Close];
        assert!(tokens.iter().map(|t| t.1).eq(expected.into_iter().chain([Quoted(b"a b")])));
        assert_eq!(tokens[0].0, 7);
    }

    #[test]
    fn foreign_bytes_are_refused_with_their_place() {
        for text in [&b"(assert \0"[..], b"(assert \xff", b"(assert \x01"] {
            let mut lexer = Lexer::new(text);
            let fault = (0..3).find_map(|_| lexer.next().err()).unwrap();
            assert_eq!(fault.at, Some(8));
        }
        assert!(Lexer::new(b"\"open\n\"").next().is_err());
    }
}
