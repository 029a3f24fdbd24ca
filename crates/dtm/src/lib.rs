//! Words, client and launcher of the DTM server.
