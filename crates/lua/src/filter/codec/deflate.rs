//! gzip (RFC 1952), zlib (RFC 1950), raw deflate (RFC 1951).

use std::io::Write;

use flate2::Compression;
use flate2::write::{
    DeflateDecoder, DeflateEncoder, GzEncoder, MultiGzDecoder, ZlibDecoder, ZlibEncoder,
};
use mlua::Table;

use super::{Coder, Sink, Trouble, bad};

/// Which framing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Gzip,
    Zlib,
    Raw,
}

/// zlib's, or with `raw` none.
pub(super) fn format(options: &Option<Table>) -> mlua::Result<Format> {
    let raw = options.as_ref().map(|options| options.raw_get::<bool>("raw"));
    Ok(if raw.transpose()?.unwrap_or(false) { Format::Raw } else { Format::Zlib })
}

/// Compresses.
pub(super) enum Pack {
    Gzip(GzEncoder<Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
    Raw(DeflateEncoder<Vec<u8>>),
}

impl Pack {
    pub(super) fn new(format: Format, level: u32) -> Self {
        let level = Compression::new(level);
        match format {
            Format::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), level)),
            Format::Zlib => Self::Zlib(ZlibEncoder::new(Vec::new(), level)),
            Format::Raw => Self::Raw(DeflateEncoder::new(Vec::new(), level)),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(coder) => coder,
            Self::Zlib(coder) => coder,
            Self::Raw(coder) => coder,
        }
    }

    fn drain(&mut self, out: &mut Sink) -> Result<(), Trouble> {
        let made = match self {
            Self::Gzip(coder) => coder.get_mut(),
            Self::Zlib(coder) => coder.get_mut(),
            Self::Raw(coder) => coder.get_mut(),
        };
        let done = out.write_all(made).map_err(|error| bad(error.to_string()));
        made.clear();
        done
    }
}

fn said(error: std::io::Error) -> Trouble {
    bad(error.to_string())
}

impl Coder for Pack {
    fn update(&mut self, data: &[u8], out: &mut Sink) -> Result<(), Trouble> {
        self.writer().write_all(data).map_err(said)?;
        self.drain(out)
    }

    fn flush(&mut self, out: &mut Sink) -> Result<(), Trouble> {
        self.writer().flush().map_err(said)?;
        self.drain(out)
    }

    fn finish(&mut self, out: &mut Sink) -> Result<(), Trouble> {
        let done = match self {
            Self::Gzip(coder) => coder.try_finish(),
            Self::Zlib(coder) => coder.try_finish(),
            Self::Raw(coder) => coder.try_finish(),
        };
        done.map_err(said)?;
        self.drain(out)
    }

    /// zlib's tables for a window of 32 KiB and the deepest memory, and a buffer.
    fn footprint(&self) -> usize {
        300 * 1024
    }
}

/// Decompresses. gzip's members may follow one another.
pub(super) enum Unpack {
    Gzip(MultiGzDecoder<Sink>, bool),
    Zlib(ZlibDecoder<Sink>),
    Raw(DeflateDecoder<Sink>),
}

impl Unpack {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Gzip => Self::Gzip(MultiGzDecoder::new(Sink::default()), false),
            Format::Zlib => Self::Zlib(ZlibDecoder::new(Sink::default())),
            Format::Raw => Self::Raw(DeflateDecoder::new(Sink::default())),
        }
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Gzip(coder, _) => coder.get_mut(),
            Self::Zlib(coder) => coder.get_mut(),
            Self::Raw(coder) => coder.get_mut(),
        }
    }

    /// Runs `step` with the caller's sink in the place of ours, so that its bound holds.
    fn with(
        &mut self,
        out: &mut Sink,
        step: impl FnOnce(&mut Self) -> std::io::Result<()>,
    ) -> Result<(), Trouble> {
        std::mem::swap(self.sink(), out);
        let done = step(self);
        std::mem::swap(self.sink(), out);
        done.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => bad("truncated or damaged compressed input"),
            _ => bad("this is not compressed, or it was damaged"),
        })
    }
}

impl Coder for Unpack {
    fn update(&mut self, data: &[u8], out: &mut Sink) -> Result<(), Trouble> {
        if data.is_empty() {
            return Ok(());
        }
        self.with(out, |own| match own {
            Self::Gzip(coder, began) => {
                *began = true;
                coder.write_all(data)?;
                // Without this what was decoded last would come only with what is decoded next.
                coder.flush()
            }
            Self::Zlib(coder) => coder.write_all(data).and_then(|()| coder.flush()),
            Self::Raw(coder) => coder.write_all(data).and_then(|()| coder.flush()),
        })
    }

    fn finish(&mut self, out: &mut Sink) -> Result<(), Trouble> {
        self.with(out, |own| match own {
            // Nothing at all is no damage.
            Self::Gzip(_, false) => Ok(()),
            Self::Gzip(coder, true) => coder.try_finish().map_err(|error| match error.kind() {
                // A check sum that does not fit, or is not there in full: the library does not tell.
                std::io::ErrorKind::InvalidInput => std::io::ErrorKind::UnexpectedEof.into(),
                _ => error,
            }),
            Self::Zlib(coder) if coder.total_in() == 0 => Ok(()),
            Self::Zlib(coder) => coder.try_finish(),
            Self::Raw(coder) if coder.total_in() == 0 => Ok(()),
            Self::Raw(coder) => coder.try_finish(),
        })
    }

    /// The window, tables and two buffers.
    fn footprint(&self) -> usize {
        112 * 1024
    }
}
