//! `GET /api/v1/costs`: what tenants paid and cost in a month.

use crate::auth::Reader;
use crate::error::{ApiError, ErrorCode};
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::wire;
use axum::body::Body;
use axum::response::Response;
use ecp_core::catalog::Currency;
use ecp_core::costs::{Amount, Month, TenantCost, costs};
use ecp_core::ids::TenantKey;
use ecp_core::text::Message;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode, Uri};
use serde::Serialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

/// What tenants paid and cost in a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostsOut {
    /// True in demo mode.
    is_demo: bool,
    /// The month, in the catalog's time zone.
    #[schema(example = "2026-11")]
    month: String,
    /// The catalog's time zone.
    #[schema(example = "Asia/Seoul")]
    time_zone: String,
    /// From when it is counted.
    #[schema(example = "2026-10-31T15:00:00Z")]
    from: String,
    /// Until when: the end of the month, or now.
    #[schema(example = "2026-11-26T09:00:00Z")]
    until: String,
    /// True once the month is over.
    is_complete: bool,
    /// The second currency.
    currency: CurrencyOut,
    /// By tenant id, then age; those that are gone too.
    tenants: Vec<TenantCostOut>,
    /// The sum of the rows.
    total: AmountsOut,
}

/// A currency beside US dollars.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrencyOut {
    /// ISO 4217 code.
    #[schema(example = "KRW")]
    code: String,
    /// So many for one US dollar.
    #[schema(example = 1390.0)]
    per_usd: f64,
    /// Day of that rate.
    #[schema(example = "2026-11-02")]
    as_of: String,
}

/// What one tenant paid and cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantCostOut {
    /// Tenant id.
    #[schema(example = "my-ai-service")]
    tenant_id: String,
    /// Its name, the newest in the month.
    #[schema(example = "내 AI 서비스")]
    name: String,
    /// Its plan, the newest in the month.
    #[schema(example = "medium")]
    preset: String,
    /// True where the tenant is gone.
    is_deleted: bool,
    /// Days of existence in the month, by hours.
    #[schema(example = 25.75)]
    days: f64,
    /// Hours of existence in the month.
    #[schema(example = 618.0)]
    hours: f64,
    /// The money.
    #[serde(flatten)]
    amounts: AmountsOut,
}

/// Money: US dollars to the cent, and whole units of the second currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct AmountsOut {
    /// What was paid, in US dollars.
    #[schema(example = 300.42)]
    list_price_usd: f64,
    /// What it cost the operator, in US dollars.
    #[schema(example = 2541.17)]
    operator_cost_usd: f64,
    /// Paid less cost, in US dollars.
    #[schema(example = -2240.75)]
    margin_usd: f64,
    /// What was paid, in the second currency.
    #[schema(example = 417584)]
    list_price_local: i64,
    /// What it cost the operator, in the second currency.
    #[schema(example = 3532226)]
    operator_cost_local: i64,
    /// Paid less cost, in the second currency.
    #[schema(example = -3114642)]
    margin_local: i64,
}

impl AmountsOut {
    fn new(list_price: Amount, operator_cost: Amount, margin: Amount) -> Self {
        let dollars = |amount: Amount| amount.cents as f64 / 100.0;
        Self {
            list_price_usd: dollars(list_price),
            operator_cost_usd: dollars(operator_cost),
            margin_usd: dollars(margin),
            list_price_local: list_price.local_units,
            operator_cost_local: operator_cost.local_units,
            margin_local: margin.local_units,
        }
    }

    fn total(rows: &[TenantCost]) -> Self {
        let (mut list_price, mut operator_cost, mut margin) = Default::default();
        for row in rows {
            list_price += row.list_price;
            operator_cost += row.operator_cost;
            margin += row.margin;
        }
        Self::new(list_price, operator_cost, margin)
    }
}

/// How costs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Json, Self::Csv];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

/// Tell what tenants paid and cost in a month
///
/// A price is of a month; counted are the hours of it in which the tenant existed with that price. Of the
/// present month it is so far. A token that is limited to tenants sees theirs alone, and their sum.
#[utoipa::path(
    get,
    path = "/api/v1/costs",
    tag = "overview",
    params(
        ("month" = Option<String>, Query, description = "As `2026-11`, in the catalog's time zone; default: the present one"),
        ("format" = Option<String>, Query, description = "`json` (default) or `csv`"),
    ),
    responses(
        (status = 200, description = "What tenants paid and cost", content(
            (CostsOut = "application/json"),
            (String = "text/csv"),
        )),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter", body = ErrorOut),
    ),
)]
pub(crate) async fn get_costs(Reader(api): Reader, uri: Uri) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let format =
        query.choice("format", "api.unknown_format", &Format::ALL, Format::as_str).unwrap_or(Format::Json);
    let (billing, now) = (&api.state.catalog.billing, api.state.clock.now());
    let zone = billing.zone();
    let month = match query.text("month") {
        Some(text) => Month::parse(text, &zone),
        None => Month::of(now, &zone),
    };
    if month.is_none() {
        query.fault("month", Message::new("api.not_a_month"));
    }
    query.finish(&api.context)?;
    let month =
        month.ok_or_else(|| ApiError::new(ErrorCode::InternalError, Message::new("api.internal_error")))?;
    let tenants = &api.services().tenants;
    let periods = tenants.price_periods(month.begin, month.end.min(now).max(month.begin)).await?;
    let seen = periods.into_iter().filter(|period| api.access.may_see(&period.tenant_id));
    // A tenant that can not be read is there all the same.
    let exists = |key: &TenantKey| tenants.exists(key) || tenants.is_damaged(&key.id);
    let rows = costs(seen, &month, now, &billing.currency, exists);
    if format == Format::Csv {
        return Ok(csv(&month, &rows, &billing.currency));
    }
    let body = CostsOut {
        is_demo: api.mode.is_demo(),
        time_zone: billing.time_zone.clone(),
        from: wire::timestamp_text(month.begin),
        until: wire::timestamp_text(month.end.min(now).max(month.begin)),
        is_complete: month.end <= now,
        currency: CurrencyOut {
            code: billing.currency.code.clone(),
            per_usd: billing.currency.per_usd,
            as_of: billing.currency.as_of.to_string(),
        },
        total: AmountsOut::total(&rows),
        tenants: rows.iter().map(row_out).collect(),
        month: month.name,
    };
    Ok(wire::json(StatusCode::OK, &body))
}

fn row_out(row: &TenantCost) -> TenantCostOut {
    let hours = row.milli_hours as f64 / 1000.0;
    TenantCostOut {
        tenant_id: row.tenant_id.to_string(),
        name: row.name.clone(),
        preset: row.preset.clone(),
        is_deleted: row.is_deleted,
        days: (hours / 24.0 * 1000.0).round() / 1000.0,
        hours,
        amounts: AmountsOut::new(row.list_price, row.operator_cost, row.margin),
    }
}

/// A row a tenant and the total last, as RFC 4180 writes them, in UTF-8 with the mark by which
/// spreadsheets know it.
fn csv(month: &Month, rows: &[TenantCost], currency: &Currency) -> Response {
    let local = currency.code.to_lowercase();
    let mut text = format!(
        "\u{feff}month,tenant_id,name,preset,deleted,days,list_price_usd,operator_cost_usd,margin_usd,\
         list_price_{local},operator_cost_{local},margin_{local}\r\n"
    );
    let mut line = |first: [&str; 4], deleted: &str, days: String, money: &AmountsOut| {
        let first = first.map(cell).join(",");
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{first},{deleted},{days},{:.2},{:.2},{:.2},{},{},{}\r\n",
            money.list_price_usd,
            money.operator_cost_usd,
            money.margin_usd,
            money.list_price_local,
            money.operator_cost_local,
            money.margin_local
        );
    };
    for row in rows {
        let out = row_out(row);
        let first = [month.name.as_str(), &out.tenant_id, &out.name, &out.preset];
        line(first, if out.is_deleted { "true" } else { "false" }, out.days.to_string(), &out.amounts);
    }
    line([&month.name, "total", "", ""], "", String::new(), &AmountsOut::total(rows));
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"costs-{}.csv\"", month.name)) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    response
}

/// A cell of text: quoted where it has to be, and never a formula to a spreadsheet.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let plain = if formula { format!("'{text}") } else { text.to_owned() };
    match plain.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", plain.replace('"', "\"\"")),
        false => plain,
    }
}
