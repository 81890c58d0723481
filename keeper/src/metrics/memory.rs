//! Memory of this process, as Linux tells it.

/// Bytes of this process that are in memory; `None` where the system does not say.
pub(super) fn resident_bytes() -> Option<u64> {
    // Not statm: that counts in pages, whose size differs between machines.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}
