//! The `#[nl_testkit::test]` attribute; use it through `nl-testkit`, which documents it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{
    Ident, ItemFn, LitInt, LitStr, Token, parenthesized,
    parse::{Parse, ParseStream},
    parse_macro_input,
    spanned::Spanned,
};

/// Registers a function as a kernel test that gets its own private [`Lab`].
///
/// The function takes exactly one argument, the `Lab` by value, may be `async`, and returns `()` or
/// `nl_testkit::Result`. The attribute accepts, in any order:
///
/// * `needs(link = "vxlan", tool = "bridge", host_root)` — what the machine must provide; unmet, the test is
///   listed as ignored with the reason, or fails when the lane promises it;
/// * `timeout = 30` — seconds the body may take (default 60);
/// * `serial` — runs while no other test runs.
///
/// [`Lab`]: https://docs.rs/nl-testkit
#[proc_macro_attribute]
pub fn test(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let settings = parse_macro_input!(attribute as Settings);
    let function = parse_macro_input!(item as ItemFn);
    expand(&settings, &function).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(settings: &Settings, function: &ItemFn) -> syn::Result<Tokens> {
    if function.sig.inputs.len() != 1 {
        return Err(syn::Error::new(
            function.sig.span(),
            "a kernel test takes exactly one argument: `lab: Lab`",
        ));
    }
    if let Some(generics) = function.sig.generics.params.first() {
        return Err(syn::Error::new(generics.span(), "a kernel test cannot be generic"));
    }
    for attribute in &function.attrs {
        for (word, instead) in [
            ("ignore", "say what is missing: needs(…) in this attribute, or lab.skip(…) in the body"),
            ("should_panic", "let nl_testkit::panic_of(…) catch the panic in the body"),
        ] {
            if attribute.path().is_ident(word) {
                let text = format!("`{word}` has no effect on a kernel test; {instead}");
                return Err(syn::Error::new(attribute.span(), text));
            }
        }
    }
    let name = &function.sig.ident;
    let needs = &settings.needs;
    let Settings { timeout, serial, planted, .. } = *settings;
    let body = if function.sig.asyncness.is_some() {
        quote! {
            ::nl_testkit::__private::Body::Async(|lab| ::std::boxed::Box::pin(async move {
                ::nl_testkit::__private::Verdict::verdict(#name(lab).await)
            }))
        }
    } else {
        quote! {
            ::nl_testkit::__private::Body::Sync(|lab| ::nl_testkit::__private::Verdict::verdict(#name(lab)))
        }
    };
    Ok(quote! {
        // Tells clippy that this is a test, where panics are welcome; cargo sets it for `harness = false` too.
        #[cfg(test)]
        #function
        // An example in the documentation is compiled without it.
        #[cfg(not(test))]
        #function

        const _: () = {
            ::nl_testkit::__private::submit! {
                ::nl_testkit::__private::TestCase {
                    module: ::std::module_path!(),
                    function: ::std::stringify!(#name),
                    file: ::std::file!(),
                    line: ::std::line!(),
                    needs: &[#(#needs),*],
                    timeout_seconds: #timeout,
                    planted: #planted,
                    serial: #serial,
                    body: #body,
                }
            }
        };
    })
}

struct Settings {
    needs: Vec<Tokens>,
    timeout: u64,
    serial: bool,
    planted: bool,
}

impl Parse for Settings {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut settings =
            Self { needs: Vec::new(), timeout: DEFAULT_TIMEOUT_SECONDS, serial: false, planted: false };
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "needs" => {
                    let inner;
                    parenthesized!(inner in input);
                    let needs = inner.parse_terminated(parse_need, Token![,])?;
                    settings.needs.extend(needs);
                }
                "timeout" => {
                    input.parse::<Token![=]>()?;
                    let seconds: LitInt = input.parse()?;
                    settings.timeout = seconds.base10_parse()?;
                    if settings.timeout == 0 {
                        return Err(syn::Error::new(
                            seconds.span(),
                            "the timeout must be at least one second",
                        ));
                    }
                }
                // Not documented: for the kit's tests of itself.
                "planted" => settings.planted = true,
                "serial" => settings.serial = true,
                _ => {
                    return Err(syn::Error::new(
                        key.span(),
                        "expected `needs(…)`, `timeout = seconds` or `serial`",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(settings)
    }
}

fn parse_need(input: ParseStream<'_>) -> syn::Result<Tokens> {
    let key: Ident = input.parse()?;
    let word = key.to_string();
    let bare = match word.as_str() {
        "bridge_vlan_filtering" => Some(quote!(BridgeVlanFiltering)),
        "host_root" => Some(quote!(HostRoot)),
        "netdevsim" => Some(quote!(Netdevsim)),
        "vm" => Some(quote!(Vm)),
        _ => None,
    };
    if let Some(variant) = bare {
        return Ok(quote!(::nl_testkit::Need::#variant));
    }
    let variant = match word.as_str() {
        "cached" => quote!(Cached),
        "genl" => quote!(Genl),
        "iproute2" => quote!(Iproute2),
        "kernel" => quote!(Kernel),
        "link" => quote!(Link),
        "netem_distribution" => quote!(NetemDistribution),
        "qdisc" => quote!(Qdisc),
        "sock_diag" => quote!(SockDiag),
        "sysctl" => quote!(Sysctl),
        "tool" => quote!(Tool),
        _ => {
            return Err(syn::Error::new(
                key.span(),
                "unknown need: expected link, qdisc, genl, sock_diag, sysctl, tool, iproute2, kernel, cached or \
                 netem_distribution = \"…\", or bridge_vlan_filtering, host_root, netdevsim, vm",
            ));
        }
    };
    input.parse::<Token![=]>()?;
    let value: LitStr = input.parse()?;
    if matches!(word.as_str(), "iproute2" | "kernel") && !is_version(&value.value()) {
        return Err(syn::Error::new(
            value.span(),
            "expected a version: numbers with dots between them, as \"6.12\"",
        ));
    }
    Ok(quote!(::nl_testkit::Need::#variant(::std::borrow::Cow::Borrowed(#value))))
}

/// As nl-testkit's own, which reads needs from files.
fn is_version(text: &str) -> bool {
    text.split('.').all(|part| part.parse::<u32>().is_ok() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

const DEFAULT_TIMEOUT_SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::{ItemFn, Settings, expand};

    /// What the compiler says of an attribute and a function.
    fn refusal(attribute: &str, function: &str) -> String {
        let expanded = syn::parse_str::<Settings>(attribute)
            .and_then(|settings| expand(&settings, &syn::parse_str::<ItemFn>(function)?));
        expanded.map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    const BODY: &str = "async fn a(lab: Lab) {}";

    #[test]
    fn a_version_that_is_none_is_refused() {
        for version in ["abc", "v99.0", ">= 99", "", "6."] {
            for need in ["kernel", "iproute2"] {
                let refusal = refusal(&format!("needs({need} = \"{version}\")"), BODY);
                assert!(refusal.starts_with("expected a version"), "{version}: {refusal}");
            }
        }
        assert!(refusal("needs(kernel = \"6.12.9\")", BODY).contains("Need :: Kernel"));
    }

    #[test]
    fn attributes_of_cargos_harness_are_refused() {
        let ignored = refusal("", &format!("#[ignore = \"slow\"] {BODY}"));
        assert!(ignored.starts_with("`ignore` has no effect on a kernel test; "), "{ignored}");
        let panics = refusal("", &format!("#[should_panic] {BODY}"));
        assert!(panics.starts_with("`should_panic` has no effect on a kernel test; "), "{panics}");
    }
}
