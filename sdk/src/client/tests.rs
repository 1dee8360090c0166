mod answers;
mod gateway;
mod retries;
mod streams;
mod tls;
mod usage;
