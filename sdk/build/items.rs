//! Items: what stands beside a type that typify made, and in place of what it made beyond.

use quote::{format_ident, quote};
use syn::{Attribute, Ident, Item, parse_quote};

/// typify reads an absent list as an empty one; whether "none" was said or nothing matters here.
pub(crate) fn tell_absent_from_empty(field: &mut syn::Field) {
    let is_list = |it: &Attribute| quote!(#it).to_string().contains("Vec::is_empty");
    if field.attrs.iter().any(is_list) {
        let list = &field.ty;
        field.ty = parse_quote!(Option<#list>);
        field.attrs =
            vec![parse_quote!(#[serde(default, skip_serializing_if = "Option::is_none")])];
    }
}

pub(crate) fn redacted(name: &Ident) -> Item {
    let shown = format!("{name}(…)");
    parse_quote! {
        impl std::fmt::Debug for #name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(#shown)
            }
        }
    }
}

/// The ways in and out of a type that wraps one value.
pub(crate) fn doors(name: &Ident, inner: &syn::Type) -> Vec<Item> {
    let is_text = quote!(#inner).to_string().ends_with("String");
    let (seen, given) = match is_text {
        true => (quote!(str), quote!(value.to_owned())),
        false => (quote!(#inner), quote!(value.clone())),
    };
    let mut items = vec![
        parse_quote! {
            impl #name {
                /// The value; the caller answers for where it goes.
                #[must_use]
                pub fn expose(&self) -> &#seen {
                    &self.0
                }
            }
        },
        parse_quote! {
            impl From<#inner> for #name {
                fn from(value: #inner) -> Self {
                    Self(value)
                }
            }
        },
    ];
    if is_text {
        items.push(parse_quote! {
            impl From<&str> for #name {
                fn from(value: &str) -> Self {
                    Self(#given)
                }
            }
        });
    }
    items
}

/// The ways in and out of a code.
pub(crate) fn code_impls(name: &Ident, codes: &[(Ident, &str)]) -> [Item; 3] {
    let (variants, codes): (Vec<_>, Vec<_>) = codes.iter().cloned().unzip();
    [
        parse_quote! {
            impl #name {
                /// Every code, in the list's order.
                pub const ALL: &[Self] = &[#(Self::#variants,)*];

                /// The code as records write it.
                #[must_use]
                pub const fn code(self) -> &'static str {
                    match self {
                        #(Self::#variants => #codes,)*
                    }
                }
            }
        },
        parse_quote! {
            impl std::fmt::Display for #name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(self.code())
                }
            }
        },
        parse_quote! {
            impl std::str::FromStr for #name {
                type Err = UnknownCode;

                fn from_str(code: &str) -> Result<Self, UnknownCode> {
                    Self::ALL.iter().copied().find(|it| it.code() == code).ok_or(UnknownCode)
                }
            }
        },
    ]
}

pub(crate) fn record_impls((whole, name, major): &(String, &'static str, u32)) -> [Item; 2] {
    let (whole, part) = (format_ident!("{whole}"), format_ident!("{whole}Part"));
    [
        parse_quote!(impl sealed::Sealed for #whole {}),
        parse_quote! {
            impl Record for #whole {
                const NAME: &'static str = #name;
                const MAJOR: u32 = #major;
                type Part = #part;
            }
        },
    ]
}

/// `person-identity`, `area_m2`, `Diploma I or II`, `AB+` in upper camel case.
pub(crate) fn pascal(words: &str) -> String {
    let spelt = match words.trim_end() {
        it if it.ends_with('-') => it.replace('-', " minus"),
        it => it.replace('+', " plus"),
    };
    let words = spelt
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            let is_roman = word.bytes().all(|b| b"IVX".contains(&b));
            let is_acronym = word.bytes().all(|b| b.is_ascii_uppercase()) && !is_roman;
            let (first, rest) = word.split_at(1);
            match is_acronym {
                true => first.to_owned() + &rest.to_ascii_lowercase(),
                false => first.to_ascii_uppercase() + rest,
            }
        })
        .collect()
}

/// The name that typify gives to a code.
pub(crate) fn typified(code: &str) -> String {
    match code.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("X{code}"),
        false => pascal(code),
    }
}
