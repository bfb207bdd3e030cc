//! Zstandard (RFC 8878).

use std::io::Write;

use zstd_safe::{
    CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name,
    zstd_sys::ZSTD_EndDirective,
};

use super::{Coder, Sink, Trouble, bad};

/// What one turn gives at most, in bytes.
const TURN: usize = 128 * 1024;

fn said(code: usize) -> Trouble {
    bad(format!("zstd: {}", get_error_name(code)))
}

fn broken(code: usize) -> mlua::Error {
    mlua::Error::runtime(said(code).1)
}

/// Compresses: one frame.
pub(super) struct Compress {
    context: CCtx<'static>,
    turn: Vec<u8>,
}

impl Compress {
    pub(super) fn new(level: u32) -> mlua::Result<Self> {
        let mut context = CCtx::create();
        let level = i32::try_from(level).unwrap_or(3);
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(broken)?;
        context.set_parameter(CParameter::ChecksumFlag(true)).map_err(broken)?;
        Ok(Self { context, turn: Vec::new() })
    }

    fn run(
        &mut self,
        data: &[u8],
        until: ZSTD_EndDirective,
        out: &mut Sink,
    ) -> Result<(), Trouble> {
        self.turn.resize(TURN, 0);
        let mut input = InBuffer::around(data);
        loop {
            let mut output = OutBuffer::around(&mut self.turn[..]);
            let left =
                self.context.compress_stream2(&mut output, &mut input, until).map_err(said)?;
            let len = output.pos();
            out.write_all(&self.turn[..len]).map_err(|error| bad(error.to_string()))?;
            let is_done = match until {
                ZSTD_EndDirective::ZSTD_e_continue => input.pos() == data.len() && len < TURN,
                _ => left == 0,
            };
            if is_done {
                return Ok(());
            }
        }
    }
}

impl Coder for Compress {
    fn update(&mut self, data: &[u8], out: &mut Sink) -> Result<(), Trouble> {
        self.run(data, ZSTD_EndDirective::ZSTD_e_continue, out)
    }

    fn flush(&mut self, out: &mut Sink) -> Result<(), Trouble> {
        self.run(&[], ZSTD_EndDirective::ZSTD_e_flush, out)
    }

    fn finish(&mut self, out: &mut Sink) -> Result<(), Trouble> {
        self.run(&[], ZSTD_EndDirective::ZSTD_e_end, out)
    }

    fn footprint(&self) -> usize {
        self.context.sizeof() + self.turn.capacity()
    }
}

/// Decompresses; frames may follow one another.
pub(super) struct Decompress {
    context: DCtx<'static>,
    turn: Vec<u8>,
    /// What is still to come of a frame; 0 between frames.
    left: usize,
}

impl Decompress {
    /// `window`: the longest that a frame may have, in bytes.
    pub(super) fn new(window: i64) -> mlua::Result<Self> {
        let mut context = DCtx::create();
        let window = u64::try_from(window).unwrap_or(0).max(1024);
        let log = window.next_power_of_two().trailing_zeros().clamp(10, 31);
        context.set_parameter(DParameter::WindowLogMax(log)).map_err(broken)?;
        Ok(Self { context, turn: Vec::new(), left: 0 })
    }
}

impl Coder for Decompress {
    fn update(&mut self, data: &[u8], out: &mut Sink) -> Result<(), Trouble> {
        self.turn.resize(TURN, 0);
        let mut input = InBuffer::around(data);
        loop {
            let mut output = OutBuffer::around(&mut self.turn[..]);
            let done = self.context.decompress_stream(&mut output, &mut input);
            let len = output.pos();
            // The bound first: beyond it nothing is worth looking at.
            out.write_all(&self.turn[..len]).map_err(|error| bad(error.to_string()))?;
            match done {
                Ok(left) => self.left = left,
                Err(code) => {
                    let _ = self.context.reset(ResetDirective::SessionOnly);
                    return Err(said(code));
                }
            }
            if input.pos() == data.len() && len < TURN {
                return Ok(());
            }
        }
    }

    fn finish(&mut self, _out: &mut Sink) -> Result<(), Trouble> {
        if self.left == 0 { Ok(()) } else { Err(bad("truncated or damaged compressed input")) }
    }

    fn footprint(&self) -> usize {
        self.context.sizeof() + self.turn.capacity()
    }
}
