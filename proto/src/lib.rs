//! All protobuf files, their generated types and one descriptor set. Holds no logic.
#![allow(missing_docs, clippy::pedantic, clippy::wildcard_enum_match_arm)] // generated code; the .proto files carry the docs

/// The interface of the DTM server.
pub mod dtm {
    tonic::include_proto!("dtmgimp");
}

/// The interface of the orchestrator.
pub mod amends {
    pub mod v1 {
        tonic::include_proto!("amends.v1");
    }
}

/// The payments domain.
pub mod pay {
    pub mod money {
        pub mod v1 {
            tonic::include_proto!("pay.money.v1");
        }
    }
    pub mod branch {
        pub mod v1 {
            tonic::include_proto!("pay.branch.v1");
        }
    }
    pub mod order {
        pub mod v1 {
            tonic::include_proto!("pay.order.v1");
        }
    }
    pub mod account {
        pub mod v1 {
            tonic::include_proto!("pay.account.v1");
        }
    }
    pub mod inventory {
        pub mod v1 {
            tonic::include_proto!("pay.inventory.v1");
        }
    }
    pub mod points {
        pub mod v1 {
            tonic::include_proto!("pay.points.v1");
        }
    }
    pub mod gateway {
        pub mod v1 {
            tonic::include_proto!("pay.gateway.v1");
        }
    }
    pub mod psp {
        pub mod v1 {
            tonic::include_proto!("pay.psp.v1");
        }
    }
    pub mod checkout {
        pub mod v1 {
            tonic::include_proto!("pay.checkout.v1");
        }
    }
}

/// The encoded `FileDescriptorSet` of every file above, with its imports: for reflection and JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The same with the comments of the files, for pages about the API.
pub const DOCUMENTED_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/documented.bin"));
