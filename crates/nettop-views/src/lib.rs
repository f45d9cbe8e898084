//! What a table is, without a terminal: the views of a snapshot as rows and typed columns, their order, their filters, and what the
//! text of a cell means. Whoever draws them decides how that looks.

pub mod alert;
pub mod attention;
pub mod filter;
pub mod services;
pub mod table;
pub mod text;
pub mod view;
