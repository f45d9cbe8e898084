//! What the kernel says about interfaces, routes and next hops, over rtnetlink: right in any network namespace, where `/sys`
//! may still show another one. Of each message only the attributes that are used are looked at, so that nothing else in it,
//! a text in an unknown encoding for one, can hide the rest.

pub mod addresses;
pub(crate) mod attributes;
pub mod ethtool;
mod exchange;
pub mod frames;
mod generic;
pub mod kept;
mod links;
mod neighbours;
pub mod netdev;
pub mod routes;

pub use self::{
    exchange::PATIENCE,
    links::{Interface, Stats, interface_by_index, interface_by_name, interfaces},
    neighbours::{Neighbour, Neighbours, neighbour},
};
pub(super) use self::{
    links::by_written_name,
    routes::{Ways, ways},
};
