//! The lookup that is sent: a number in, a question about the sample citizen out; an answer counts
//! only when it is complete.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use loket_sdk::message::REQUEST_ID_HEADER;
use loket_sdk::problem::Problem;
use serde::Deserialize;

use crate::connections::Connections;
use crate::drive::{Ask, Refused};
use crate::slots;
use crate::stub::{Agency, NIK};

/// Lookups over agencies.
pub(crate) struct Lookups {
    pub(crate) connections: Connections,
    pub(crate) agencies: &'static [Agency],
}

impl Ask for Lookups {
    async fn ask(&self, number: usize) -> anyhow::Result<()> {
        let request = request(number, self.agencies)?;
        self.connections.send(number, request, read).await
    }
}

fn request(number: usize, agencies: &[Agency]) -> anyhow::Result<Request<Full<Bytes>>> {
    let id = slots::request_id(number);
    let records: Vec<String> = agencies
        .iter()
        .map(|agency| format!(r#"{{"record":"{}"}}"#, agency.record))
        .collect();
    let body = format!(
        r#"{{"request_id":"{id}","case_id":"MPP-3510-20261124-{:06}","purpose":"business_licence","legal_basis":{{"kind":"legal_obligation","reference":"PP 28/2025"}},"clerk":"clk-7f3a","counter":"B07","subject":{{"scheme":"nik","value":"{NIK}"}},"records":[{}],"deadline_ms":5000}}"#,
        number % 1_000_000,
        records.join(","),
    );
    Ok(Request::post("https://localhost/v1/lookups")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .header(REQUEST_ID_HEADER, id.to_string())
        .body(Full::new(body.into()))?)
}

async fn read(response: Response<Incoming>) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Brief<'a> {
        overall: &'a str,
    }
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status != StatusCode::OK {
        let code = serde_json::from_slice::<Problem>(&body).map(|problem| problem.code.as_str());
        let code = code.unwrap_or("no_problem");
        return Err(Refused(format!("{}_{code}", status.as_u16())).into());
    }
    match serde_json::from_slice::<Brief<'_>>(&body) {
        Ok(Brief {
            overall: "complete",
        }) => Ok(()),
        Ok(Brief { overall }) => Err(Refused(format!("overall_{overall}")).into()),
        Err(_) => Err(Refused("not_an_answer".to_owned()).into()),
    }
}
