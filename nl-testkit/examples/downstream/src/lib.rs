//! What an agent for VXLAN does first: a device that is there, up and in its bridge.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::{Error, Handle, LinkBridge, LinkUnspec, LinkVxlan};

/// A VXLAN device in a bridge.
#[derive(Clone, Debug)]
pub struct Overlay {
    pub bridge: String,
    pub device: String,
    pub local: IpAddr,
    pub vni: u32,
}

impl Overlay {
    /// Makes the bridge and the device where they are missing, joins them and sets them up; returns the device's index.
    pub async fn ensure(&self, handle: &Handle) -> Result<u32, Error> {
        let bridge = match index_of(handle, &self.bridge).await? {
            Some(index) => index,
            None => {
                handle.link().add(LinkBridge::new(&self.bridge).up().build()).execute().await?;
                must_be_there(handle, &self.bridge).await?
            }
        };
        let device = match index_of(handle, &self.device).await? {
            Some(index) => index,
            None => {
                let message = LinkVxlan::new(&self.device, self.vni).port(4789).learning(false);
                let message = match self.local {
                    IpAddr::V4(local) => message.local(local),
                    IpAddr::V6(local) => message.local6(local),
                };
                handle.link().add(message.build()).execute().await?;
                must_be_there(handle, &self.device).await?
            }
        };
        let message = LinkUnspec::new_with_index(device).controller(bridge).up().build();
        handle.link().set(message).execute().await?;
        Ok(device)
    }
}

async fn must_be_there(handle: &Handle, name: &str) -> Result<u32, Error> {
    index_of(handle, name).await?.ok_or(Error::RequestFailed)
}

/// The index of a link; `None` if there is no link of that name.
pub async fn index_of(handle: &Handle, name: &str) -> Result<Option<u32>, Error> {
    match handle.link().get().match_name(name.to_owned()).execute().try_next().await {
        Ok(link) => Ok(link.map(|link| link.header.index)),
        Err(Error::NetlinkError(error)) if error.raw_code() == -ENODEV => Ok(None),
        Err(error) => Err(error),
    }
}

const ENODEV: i32 = 19;
