//! Routee's COLLECT events: the key that an employee pressed.
