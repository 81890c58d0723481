//! The crash: 13 % in twelve minutes of one-second prints, with jumps, the same in every run.

/// Seconds that it lasts.
pub const SECONDS: usize = 720;
/// Where it ends, ppm of where it began.
pub const END_PPM: i64 = 870_000;
/// The worst minute begins at this second.
pub const WORST_MINUTE: usize = 286;
/// A gap that maintenance margin is made for holds two of these.
const JUMP_PPM: i64 = 10_000;
/// Seconds with a jump; three of them in the worst minute.
const JUMPS: [usize; 7] = [90, 200, 305, 323, 341, 450, 600];
/// Largest step of the noise, ppm a second.
const NOISE_PPM: i64 = 250;

/// The price at every second, ppm of the first.
pub fn crash() -> Vec<i64> {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = vec![0];
    let mut jumped = vec![0];
    for second in 1..=SECONDS {
        // xorshift
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let step = i64::try_from(seed % 501).expect("small") - NOISE_PPM;
        noise.push(noise[second - 1] + step);
        jumped.push(jumped[second - 1] - if JUMPS.contains(&second) { JUMP_PPM } else { 0 });
    }
    let all = i64::try_from(SECONDS).expect("small");
    // A bridge: drift takes what noise and jumps leave, so that it ends where it should.
    let drift = END_PPM - 1_000_000 - noise[SECONDS] - jumped[SECONDS];
    let seconds = (0..).zip(noise.iter().zip(&jumped));
    seconds.map(|(second, (noise, jumped))| 1_000_000 + noise + jumped + drift * second / all).collect()
}

#[test]
fn the_path_falls_by_13_percent_and_by_most_in_the_minute_that_is_called_the_worst() {
    let path = crash();
    assert_eq!((path.len(), path[0], path[SECONDS]), (SECONDS + 1, 1_000_000, END_PPM));
    let fall = |from: usize| path[from] - path[from + 60];
    let worst = (0..=SECONDS - 60).max_by_key(|&from| fall(from)).expect("a minute");
    println!("worst minute from {worst}: {} ppm; from {WORST_MINUTE}: {}", fall(worst), fall(WORST_MINUTE));
    assert!(fall(WORST_MINUTE) > 35_000 && worst == WORST_MINUTE);
    let gap = path.windows(2).map(|pair| pair[0] - pair[1]).max().expect("steps");
    assert!((JUMP_PPM..11_000).contains(&gap), "the largest step is {gap} ppm");
}
