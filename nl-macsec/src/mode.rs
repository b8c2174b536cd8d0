use nl_core::attr_enum;

attr_enum! {
    /// What happens to received frames that cannot be verified (`enum macsec_validation_type`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum Validation: u8 {
        /// Frames that are only authenticated are delivered without being verified. Encrypted ones are verified, because nothing else makes
        /// them readable.
        Disabled = 0 "disabled",
        /// Frames are verified. Those that fail are counted, and delivered unless they are encrypted.
        Check = 1 "check",
        /// Frames that fail are dropped, and those without a tag too. The kernel's default.
        Strict = 2 "strict",
    }
}

attr_enum! {
    /// Who encrypts (`enum macsec_offload`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum Offload: u8 {
        /// The kernel.
        Off = 0 "off",
        /// The PHY of the device below.
        Phy = 1 "phy",
        /// The MAC of the device below.
        Mac = 2 "mac",
    }
}
