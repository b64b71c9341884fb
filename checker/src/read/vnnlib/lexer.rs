//! Tokens of a query; `;` comments run to the end of the line.

use crate::read::{Error, unreadable};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Comma,
    Word(&'a [u8]),
    End,
}

pub(super) struct Lexer<'a> {
    text: &'a [u8],
    next: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a [u8]) -> Lexer<'a> {
        Lexer { text, next: 0 }
    }

    /// The line that was read last.
    pub fn line(&self) -> usize {
        1 + self.text[..self.next].iter().filter(|&&b| b == b'\n').count()
    }

    pub fn next(&mut self) -> Result<Token<'a>, Error> {
        let mut comment = false;
        let mut blank = |&b: &u8| {
            comment = (comment || b == b';') && b != b'\n';
            comment || b.is_ascii_whitespace()
        };
        let Some(skipped) = self.text[self.next..].iter().position(|b| !blank(b)) else {
            self.next = self.text.len();
            return Ok(Token::End);
        };
        let rest = &self.text[self.next + skipped..];
        let len = rest.iter().position(|&b| !is_word(b)).unwrap_or(rest.len());
        self.next += skipped + len.max(1);
        Ok(match rest[0] {
            _ if len > 0 => Token::Word(&rest[..len]),
            b'(' => Token::Open,
            b')' => Token::Close,
            b'[' => Token::OpenBracket,
            b']' => Token::CloseBracket,
            b',' => Token::Comma,
            byte => return unreadable(format!("unexpected byte 0x{byte:02x}")),
        })
    }

    pub fn expect(&mut self, token: Token) -> Result<(), Error> {
        match self.next()? {
            found if found == token => Ok(()),
            found => unreadable(format!("expected {token:?}, found {found:?}")),
        }
    }

    pub fn word(&mut self) -> Result<&'a [u8], Error> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            found => unreadable(format!("expected a word, found {found:?}")),
        }
    }
}

/// Printable ASCII other than delimiters.
fn is_word(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'(' | b')' | b'[' | b']' | b',' | b';' | b'"')
}
