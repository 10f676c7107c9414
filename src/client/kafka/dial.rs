//! How bytes get to a broker: over TCP, or over what stands in for it.

use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A stream of bytes to a broker, before TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Opens streams to brokers. [`Tcp`] is the usual one; a port-forward or a tunnel can take its place.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Opens a stream to `host:port`. The caller limits the time.
    ///
    /// # Errors
    /// When there is no such host, or it takes no connection.
    async fn dial(&self, address: &str) -> Result<Box<dyn Stream>, DialError>;
}

/// Why no stream was opened.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The host has no address.
    #[error(transparent)]
    NoName(io::Error),
    /// The host takes no connection.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// TCP from this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

#[async_trait]
impl Dial for Tcp {
    async fn dial(&self, address: &str) -> Result<Box<dyn Stream>, DialError> {
        let resolved: Vec<_> = tokio::net::lookup_host(address).await.map_err(DialError::NoName)?.collect();
        let tcp = TcpStream::connect(&resolved[..]).await?;
        tcp.set_nodelay(true)?;
        Ok(Box::new(tcp))
    }
}
