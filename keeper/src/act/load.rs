//! What goes into one transaction: one piece of work, or several that do not depend on each other.

use bulwark_sdk::Instruction;

use crate::work::Work;

/// A piece of work, and what it puts into a transaction.
#[derive(Clone, Debug)]
pub(super) struct Ride {
    pub work: Work,
    /// How often it was sent and not included.
    pub urgency: u32,
    pub refreshes: Vec<Instruction>,
    pub main: Vec<Instruction>,
}

impl Ride {
    fn names(&self, instruction: &Instruction) -> bool {
        self.refreshes.contains(instruction) || self.main.contains(instruction)
    }
}

/// Instructions of all of them: each refresh once, in front of everything.
pub(super) fn instructions<'a>(rides: impl Iterator<Item = &'a Ride> + Clone) -> Vec<Instruction> {
    let mut all: Vec<Instruction> = Vec::new();
    for refresh in rides.clone().flat_map(|ride| &ride.refreshes) {
        if !all.contains(refresh) {
            all.push(refresh.clone());
        }
    }
    all.extend(rides.flat_map(|ride| ride.main.iter().cloned()));
    all
}

/// Those that a failed instruction belongs to, and the others; if it is nobody's, all are to blame.
pub(super) fn blame(rides: Vec<Ride>, failed: Option<usize>) -> (Vec<Ride>, Vec<Ride>) {
    let failed = failed.and_then(|index| instructions(rides.iter()).into_iter().nth(index));
    rides.into_iter().partition(|ride| failed.as_ref().is_none_or(|failed| ride.names(failed)))
}

#[cfg(test)]
mod tests {
    use bulwark_sdk::Pubkey;

    use super::*;

    fn instruction(data: u8) -> Instruction {
        Instruction { program_id: Pubkey::default(), accounts: Vec::new(), data: vec![data] }
    }

    fn ride(account: u8, refreshes: &[u8], main: &[u8]) -> Ride {
        let all = |data: &[u8]| data.iter().copied().map(instruction).collect();
        let work = Work::Liquidate(Pubkey::new_from_array([account; 32]));
        Ride { work, urgency: 0, refreshes: all(refreshes), main: all(main) }
    }

    fn accounts(rides: &[Ride]) -> Vec<u8> {
        rides.iter().map(|ride| ride.work.account().unwrap().to_bytes()[0]).collect()
    }

    #[test]
    fn every_refresh_stands_once_and_before_everything() {
        let rides = [ride(1, &[10, 11], &[1]), ride(2, &[11, 12], &[2, 3])];
        let data: Vec<u8> = instructions(rides.iter()).iter().map(|one| one.data[0]).collect();
        assert_eq!(data, [10, 11, 12, 1, 2, 3]);
    }

    #[test]
    fn who_a_failed_instruction_belongs_to_is_to_blame() {
        let rides = || vec![ride(1, &[10, 11], &[1]), ride(2, &[11, 12], &[2, 3]), ride(3, &[], &[4])];
        let who = |failed| {
            let (blamed, others) = blame(rides(), failed);
            (accounts(&blamed), accounts(&others))
        };
        assert_eq!(who(Some(0)), (vec![1], vec![2, 3]), "its own refresh");
        assert_eq!(who(Some(1)), (vec![1, 2], vec![3]), "a refresh of both");
        assert_eq!(who(Some(3)), (vec![1], vec![2, 3]));
        assert_eq!(who(Some(5)), (vec![2], vec![1, 3]));
        assert_eq!(who(Some(6)), (vec![3], vec![1, 2]));
        assert_eq!(who(None), (vec![1, 2, 3], vec![]), "nobody's: the transaction itself");
        assert_eq!(who(Some(7)), (vec![1, 2, 3], vec![]));
    }
}
