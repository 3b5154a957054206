//! The partner adapter: third-party apps over a WebSocket.
