//! Loose source routes: `-g` and `-G`.

/// Hops a route may have: what fits an IPv4 header.
pub const HOPS_MAX: usize = 8;

/// What `-g` and `-G` said, value by value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawRoute {
    /// `-g` values, each a list with commas.
    pub hops: Vec<String>,
    /// `-G` values.
    pub pointers: Vec<String>,
}

impl RawRoute {
    /// Every hop of every `-g`, in order.
    pub(crate) fn hops(&self) -> impl Iterator<Item = &str> {
        self.hops.iter().flat_map(|list| list.split(',')).filter(|hop| !hop.is_empty())
    }

    /// `-G` values as numbers. Words are 0, as in Ncat.
    pub(crate) fn pointers(&self) -> impl Iterator<Item = i64> {
        self.pointers.iter().map(|value| value.trim().parse().unwrap_or(0))
    }
}

/// Hosts that packets are asked to pass on their way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceRoute {
    /// Names or literals, nearest first; 1 to [`HOPS_MAX`].
    pub hops: Vec<String>,
    /// Where in the option the next address stands: a multiple of 4 in 4..=28.
    pub pointer: u8,
}

impl SourceRoute {
    /// The route that was asked for; the last `-G` counts, and its default is the first hop.
    pub(crate) fn new(raw: &RawRoute) -> Option<Self> {
        let hops: Vec<String> = raw.hops().map(str::to_owned).collect();
        let pointer = raw.pointers().last().and_then(|n| u8::try_from(n).ok()).unwrap_or(4);
        (!hops.is_empty()).then_some(Self { hops, pointer })
    }
}
