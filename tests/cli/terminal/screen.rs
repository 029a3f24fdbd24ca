//! Just enough of a terminal's screen: text, moves of the cursor, clearing. Colours are not kept.

/// Rows of letters and a cursor.
pub struct Screen {
    cells: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Bytes that are not whole yet: part of a letter or of a sequence.
    rest: Vec<u8>,
}

impl Screen {
    /// An empty one.
    pub fn new(rows: usize, columns: usize) -> Screen {
        Screen { cells: vec![vec![' '; columns]; rows], row: 0, column: 0, rest: Vec::new() }
    }

    /// What stands on it, without blanks at the ends of lines.
    pub fn text(&self) -> String {
        let line = |cells: &Vec<char>| cells.iter().collect::<String>().trim_end().to_owned() + "\n";
        self.cells.iter().map(line).collect()
    }

    /// Takes what was written.
    pub fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(taken) = self.step() {
            self.rest.drain(..taken);
        }
    }

    /// Does what the next letter or sequence says; none = it is not whole yet.
    fn step(&mut self) -> Option<usize> {
        match self.rest.as_slice() {
            [] | [0x1b] => None,
            [0x1b, b'[', sequence @ ..] => {
                let end = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
                let (told, last) = (String::from_utf8_lossy(&sequence[..end]).into_owned(), sequence[end]);
                self.control(&told, last);
                Some(end + 3)
            }
            [0x1b, ..] => Some(2),
            [b'\r', ..] => {
                self.column = 0;
                Some(1)
            }
            [b'\n', ..] => {
                self.row += 1;
                Some(1)
            }
            [first, ..] => {
                let length = match first {
                    0xf0.. => 4,
                    0xe0.. => 3,
                    0xc0.. => 2,
                    _ => 1,
                };
                let letter = self.rest.get(..length)?;
                let letter = std::str::from_utf8(letter).ok().and_then(|text| text.chars().next());
                self.write(letter.unwrap_or('?'));
                Some(length)
            }
        }
    }

    fn control(&mut self, told: &str, last: u8) {
        let mut numbers = told.split(';').map(|number| number.parse::<usize>().unwrap_or(1));
        match last {
            b'H' => {
                self.row = numbers.next().unwrap_or(1).saturating_sub(1);
                self.column = numbers.next().unwrap_or(1).saturating_sub(1);
            }
            b'J' => self.cells.iter_mut().for_each(|row| row.fill(' ')),
            _ => {}
        }
    }

    fn write(&mut self, letter: char) {
        if let Some(cell) = self.cells.get_mut(self.row).and_then(|row| row.get_mut(self.column)) {
            *cell = letter;
        }
        self.column += 1;
    }
}

#[test]
fn moves_letters_and_clearing_are_followed() {
    let mut screen = Screen::new(2, 8);
    screen.take(b"\x1b[?1049h\x1b[2;3H\x1b[31mab\x1b[0m");
    // A letter of two bytes, in two pieces.
    screen.take(&[0xc2]);
    screen.take(&[0xb7]);
    screen.take(b"\x1b[1;1Hxy\r\nz");
    assert_eq!(screen.text(), "xy\nz ab·\n");
    screen.take(b"\x1b[2J");
    assert_eq!(screen.text(), "\n\n");
}
