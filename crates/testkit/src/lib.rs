//! What integration tests share: a server on a real socket over real files, a client that speaks
//! the API's headers, WebSockets, a clock that tests set.
//!
//! Nothing here is a mock but for the faults of [`FaultProxy`]: the server is the program's own [`App`], the store a SQLite file in a
//! temporary folder, the sockets are TCP, and the Kubernetes API server is a real one. Only the
//! cluster of demo mode is simulated, as it is for users.

mod client;
mod clock;
mod contract;
mod control_plane;
mod fault_proxy;
mod program;
mod receiver;
mod server;
mod socket;

pub use client::{Change, Client, Reply, http_client};
pub use clock::ManualClock;
pub use control_plane::{Component, ControlPlane, Signal};
pub use fault_proxy::{Fault, FaultProxy, Scope};
pub use program::{Program, ProgramBuilder};
pub use receiver::{Answer, Received, TestReceiver};
pub use server::{TestServer, TestServerBuilder};
pub use socket::Socket;

/// The contract's `my-ai-service`, as its create call prints it.
pub fn my_ai_service() -> serde_json::Value {
    serde_json::json!({
        "tenant_id": "my-ai-service",
        "name": "내 AI 서비스",
        "preset": "medium",
        "service_requirements": { "callbot": 50, "chatbot": 100, "advisor": 25, "stt": 30, "tts": 30 },
        "sla_target": { "availability": "99.9%", "response_time": "200ms", "concurrent_users": 200 },
        "description": "내 AI 서비스 설명"
    })
}
