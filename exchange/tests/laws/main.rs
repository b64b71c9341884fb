//! Accepted implies true: certificates of our own and all their mutations, against exact arithmetic on tiny networks.

mod cases;
mod crown_query;
mod hostile;
mod leaves;
mod mutations;
mod nodes;
mod oracle;
mod output;
mod shared;
