//! What a reader must know about the machine before believing a figure.

use std::fs::read_to_string;

/// Name and value of each fact, in the order to print them.
pub(crate) fn machine() -> Vec<(String, String)> {
    let read = |path: &str| read_to_string(path).unwrap_or_default().trim().to_owned();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let field = |text: &str, name: &str| -> String {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
        value.unwrap_or("unknown").to_owned()
    };
    let facts = [
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("processor", field(&read("/proc/cpuinfo"), "model name")),
        ("cores", cores.to_string()),
        ("memory", field(&read("/proc/meminfo"), "MemTotal")),
        ("load before", load()),
        ("pipe-max-size", read("/proc/sys/fs/pipe-max-size")),
        ("net.core.rmem_default, rmem_max", {
            let rmem = |name| read(&format!("/proc/sys/net/core/{name}"));
            format!("{}, {}", rmem("rmem_default"), rmem("rmem_max"))
        }),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Load averages and runnable tasks: a bench beside a build measures the build too.
pub(crate) fn load() -> String {
    read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_a_kernel_and_a_processor() {
        let facts = super::machine();
        assert!(facts.iter().all(|(_, value)| !value.is_empty()), "{facts:?}");
        assert!(facts.iter().any(|(name, value)| name == "cores" && value != "0"));
    }
}
