//! By what a third-party network is admitted, and to whom it is offered.

use super::*;

#[test]
fn a_third_party_network_is_inactive_until_it_is_admitted() {
    let third = |more: &str| {
        let keys = pigeons(more).replace("home", "third_party");
        keys.replace("users.local = [\"p.test\"]\n", "")
    };
    let inactive = read(&third(""), &[]).ok().unwrap();
    assert!(inactive.networks[0].policy.inactive);
    let warned: Vec<String> = inactive.findings().iter().map(ToString::to_string).collect();
    assert!(warned.iter().any(|warning| warning.contains("the network is inactive")), "{warned:?}");

    let admission =
        "admission = { conformance_report = \"no.json\", minimum_posture = \"clear\" }\n";
    let offer = "available_to = { users = [\"south:Ann\"], domains = [\"p.test\"] }\n";
    let admitted = read(&third(&format!("{admission}{offer}")), &[]).ok().unwrap();
    let network = &admitted.networks[0];
    assert!(!network.policy.inactive);
    assert_eq!(network.policy.offer.share_percent, 0);
    assert!(network.policy.offer.covers(&"south:ann".parse().unwrap(), None, 0));
    let missing = network.conformance(&admitted.place).unwrap_err();
    assert!(
        missing.to_string().contains("networks.south.admission.conformance_report"),
        "{missing}"
    );

    // A report that is there and admits nobody keeps the daemon from starting.
    let folder = tempfile::tempdir().unwrap();
    let found = |report: Option<&str>| {
        if let Some(report) = report {
            std::fs::write(folder.path().join("no.json"), report).unwrap();
        }
        let text = third(admission);
        let loaded = read_text(&text, folder.path(), Vec::new(), PIGEONS).ok().unwrap();
        let of = |finding: Finding| finding.key.ends_with("_report").then_some(finding.severity);
        (loaded.findings().into_iter().filter_map(of).collect::<Vec<_>>(), loaded)
    };
    assert_eq!(found(None).0, [Severity::Warning]);
    assert_eq!(found(Some("{}")).0, [Severity::Error]);
    let (findings, loaded) = found(Some(r#"{"passed":["text_in"],"skipped":{},"failed":{}}"#));
    assert_eq!(findings, []);
    assert!(loaded.networks[0].conformance(&loaded.place).is_ok());

    let offered =
        |user: &str| third(&format!("{admission}available_to.users = [\"south:x\", {user}]\n"));
    for (user, expected) in [
        ("\"south:two words\"", "no pigeon has two words"),
        ("\"nowhere:ann\"", "no network of this id"),
    ] {
        let found = errors(&offered(user)).join("\n");
        assert!(found.contains("networks.south.available_to.users") && found.contains(expected));
    }

    let odd = third("admission = { minimum_posture = \"high\" }\navailable_to.users = [\"ann\"]\n");
    let found = errors(&odd).join("\n");
    for expected in [
        "admission.minimum_posture: expected one of clear, bridged, sealed",
        "admission.conformance_report: missing",
    ] {
        assert!(found.contains(expected), "{found}");
    }
    let home = errors(&pigeons(&format!("{admission}{offer}"))).join("\n");
    for key in ["admission", "available_to"] {
        let expected = format!("networks.south.{key}: only for a third-party network");
        assert!(home.contains(&expected), "{home}");
    }
}
