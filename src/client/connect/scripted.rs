//! A server with prepared answers, for tests of what a real worker does only at unlucky moments.

/// A server that gives these answers in turn, one per connection, and records the request lines.
pub(crate) async fn scripted(answers: Vec<(u16, &'static str)>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut lines = vec![];
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut buffer, mut seen) = ([0; 8192], vec![]);
            let wanted = |seen: &[u8]| {
                let text = String::from_utf8_lossy(seen).to_lowercase();
                let (head, rest) = text.split_once("\r\n\r\n")?;
                let length = head.split("content-length: ").nth(1).map_or(0, |l| l.lines().next().unwrap().trim().parse().unwrap());
                (rest.len() >= length).then_some(())
            };
            while wanted(&seen).is_none() {
                let n = stream.read(&mut buffer).await.unwrap();
                seen.extend_from_slice(&buffer[..n]);
            }
            lines.push(String::from_utf8_lossy(&seen).lines().next().unwrap().replace(" HTTP/1.1", ""));
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        lines
    });
    (url, server)
}
