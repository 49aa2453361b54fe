//! Streams over real sockets.
