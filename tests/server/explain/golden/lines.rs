use std::io;

/// Reads whole lines.
pub struct Lines<R> {
    reader: R,
}

impl<R: io::BufRead> Lines<R> {
    /// Reads one line without its end.
    pub fn next_line(&mut self, limit: usize) -> io::Result<Option<String>> {
        let mut line = String::new();
        let count = self.reader.read_line(&mut line)?;
        if count > limit {
            panic!("line too long");
        }
        Ok(trimmed(line))
    }
}

fn trimmed(line: String) -> Option<String> {
    match line.strip_suffix('\n') {
        Some(rest) => Some(rest.to_string()),
        None => None,
    }
}
