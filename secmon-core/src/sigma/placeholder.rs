//! Placeholders in values: `%name%`, where the modifier `expand` stands.

/// What a placeholder stands for.
pub(super) type Placeholders<'a> = &'a dyn Fn(&str) -> Option<Vec<String>>;

/// All texts that one with placeholders (`%name%`) stands for; `\%` is a plain percent.
pub(super) fn expand(text: &str, placeholders: Placeholders<'_>) -> Result<Vec<String>, String> {
    /// More than this one value does not stand for.
    const MOST: usize = 10_000;
    let mut all = vec![String::new()];
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, behind) =
            (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default());
        if let Some(before) = before.strip_suffix('\\') {
            for one in &mut all {
                one.extend([before, "%"]);
            }
            rest = behind;
            continue;
        }
        let Some((name, behind)) = behind.split_once('%') else { break };
        let values = placeholders(name).ok_or_else(|| {
            format!("nothing says what `%{name}%` stands for: give it under `placeholders` of a pipeline")
        })?;
        if all.len().saturating_mul(values.len()) > MOST {
            return Err(format!("`{text}` stands for more than {MOST} values"));
        }
        let joined = |one: &String| {
            values.iter().map(|value| format!("{one}{before}{value}")).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(joined).collect();
        rest = behind;
    }
    for one in &mut all {
        one.push_str(rest);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_all_their_values() {
        let known = |name: &str| (name == "a").then(|| vec!["1".into(), "2".into()]);
        assert_eq!(expand("x%a%y", &known).unwrap(), ["x1y", "x2y"]);
        assert_eq!(expand("%a%%a%", &known).unwrap().len(), 4);
        assert_eq!(expand(r"5\%", &known).unwrap(), ["5%"]);
        assert_eq!(expand("100%", &known).unwrap(), ["100%"]);
        assert!(expand("%b%", &known).unwrap_err().contains("%b%"));
    }
}
