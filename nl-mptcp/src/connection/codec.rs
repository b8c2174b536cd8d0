use nl_core::Request;
use nl_core::check::{Invalid, check_index};
use nl_core::message::{GenlHeader, MessageRef};

use crate::endpoint::{Endpoint, check_port};
use crate::message::{
    CMD_ANNOUNCE, CMD_GET_ADDR, CMD_REMOVE, MPTCP_PM_ADDR_ATTR_ID, MPTCP_PM_ATTR_ADDR, MPTCP_PM_ATTR_LOC_ID,
    MPTCP_PM_ATTR_TOKEN, request,
};
use crate::{AddressId, Token};

impl Endpoint {
    /// The request that announces this address to the peer of the connection `token`, where the [family](crate::FAMILY) has
    /// the number `family`: [`address`](Self#structfield.address), [`id`](Self#structfield.id) and
    /// [`port`](Self#structfield.port). [`signal`](Self::signal) is implied.
    ///
    /// One that the kernel would refuse is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn announce_request(&self, family: u16, token: Token) -> Request {
        let mut request = with_token(family, token, CMD_ANNOUNCE);
        let sent = self.clone().signal();
        sent.encode(true, &mut request.attrs().nested(MPTCP_PM_ATTR_ADDR));
        request.invalid_if(self.check_announcement())
    }

    fn check_announcement(&self) -> Result<(), Invalid> {
        let why = "an address is announced with an id, 1 to 255: 0 is the initial subflow's";
        Invalid::when(self.id.is_initial(), why)?;
        self.index.map_or(Ok(()), check_index)?;
        check_port(self.port)
    }
}

/// The request that withdraws the address `id` from the peer of the connection `token`, and closes its subflows. Id 0 is the
/// address of the initial subflow.
#[must_use]
pub fn withdraw_request(family: u16, token: Token, id: AddressId) -> Request {
    let mut request = with_token(family, token, CMD_REMOVE);
    request.attrs().u8(MPTCP_PM_ATTR_LOC_ID, id.get());
    request
}

/// The request that reads the local address `id` of the connection `token`. [`Endpoint::decode`] reads the answer.
///
/// Linux 6.1 ignores the token, and answers with the namespace's endpoint of that id.
#[must_use]
pub fn get_request(family: u16, token: Token, id: AddressId) -> Request {
    let mut request = with_token(family, token, CMD_GET_ADDR);
    request.attrs().nested(MPTCP_PM_ATTR_ADDR).u8(MPTCP_PM_ADDR_ATTR_ID, id.get());
    request
}

/// The request that lists the local addresses of the connection `token`, in a dump. [`Endpoint::decode`] reads each.
///
/// Linux 6.1 ignores the token, and lists the namespace's endpoints.
#[must_use]
pub fn list_request(family: u16, token: Token) -> Request {
    with_token(family, token, CMD_GET_ADDR)
}

fn with_token(family: u16, token: Token, command: u8) -> Request {
    let mut request = request(family, command, describe);
    request.attrs().u32(MPTCP_PM_ATTR_TOKEN, token.get());
    request
}

fn describe(message: MessageRef<'_>) -> String {
    let Ok((header, attrs)) = message.header::<GenlHeader>() else {
        return "mptcp connection request".into();
    };
    let attr = |kind| attrs.find(kind).ok().flatten();
    let number = |kind| attr(kind).and_then(|attr| attr.u32().ok()).unwrap_or_default();
    let withdrawn = attr(MPTCP_PM_ATTR_LOC_ID).and_then(|attr| attr.u8().ok()).unwrap_or_default();
    let nest = attr(MPTCP_PM_ATTR_ADDR).and_then(|nest| Endpoint::decode_nest(nest.attrs()).ok());
    let what = match (header.command, nest) {
        (CMD_ANNOUNCE, Some((endpoint, _))) => format!("announce mptcp address {endpoint}"),
        (CMD_REMOVE, _) => format!("withdraw mptcp address id {withdrawn}"),
        (_, Some((endpoint, _))) => format!("get mptcp address id {}", endpoint.id),
        (_, None) => "list mptcp addresses".into(),
    };
    format!("{what} token {}", Token::new(number(MPTCP_PM_ATTR_TOKEN)))
}
