//! Users' contact lists (RFC 6121, 2), read and written in their name where their server allows it
//! (XEP-0356, 5).

use crate::ns;
use crate::stream::Stanza;
use crate::xml::Xml;

/// A contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// The contact's address, as the server holds it.
    pub(crate) jid: String,
    /// What the user calls it.
    name: Option<String>,
    /// The groups that it stands in.
    pub(crate) groups: Vec<String>,
}

impl Item {
    /// One without a name and in no group.
    pub(crate) fn new(jid: String) -> Self {
        Self { jid, name: None, groups: Vec::new() }
    }
}

/// Asks for the contacts of `owner`. `component` is our own domain.
pub(crate) fn read(component: &str, owner: &str, id: &str) -> Xml {
    query("get", component, owner, id, Xml::within("query", ns::ROSTER))
}

/// Writes one, with all its groups. Subscriptions are not touched.
pub(crate) fn write(component: &str, owner: &str, id: &str, item: &Item) -> Xml {
    let Item { jid, name, groups } = item;
    let shown = Xml::new("item").attr("jid", jid.as_str()).attr_maybe("name", name.as_deref());
    let group = |shown: Xml, group: &String| shown.child(Xml::new("group").text(group.as_str()));
    let shown = groups.iter().fold(shown, group);
    query("set", component, owner, id, Xml::within("query", ns::ROSTER).child(shown))
}

fn query(kind: &str, component: &str, owner: &str, id: &str, payload: Xml) -> Xml {
    let query = Xml::new("iq").attr("type", kind).attr("from", component).attr("to", owner);
    query.attr("id", id).child(payload)
}

/// The contacts that were asked for; `None` if they are not all there: what is missing would be
/// written anew, and lose what it had.
pub(crate) fn items(answer: &Stanza) -> Option<Vec<Item>> {
    let whole = answer.whole && answer.element.attr("type") == Some("result");
    let query = answer.element.get_child("query", ns::ROSTER).filter(|_| whole)?;
    let items = query.children().filter(|item| item.is("item", ns::ROSTER));
    let item = |item: &minidom::Element| {
        let groups = item.children().filter(|group| group.is("group", ns::ROSTER));
        Some(Item {
            jid: item.attr("jid")?.to_owned(),
            name: item.attr("name").map(str::to_owned),
            groups: groups.map(minidom::Element::text).collect(),
        })
    };
    Some(items.filter_map(item).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    fn answer(kind: &str, inner: &str) -> Stanza {
        let text = format!(
            "<iq xmlns='jabber:component:accept' type='{kind}' from='bob@p.test'>{inner}</iq>"
        );
        Stanza { element: text.parse().unwrap(), whole: true }
    }

    #[test]
    fn contacts_are_read_whole_or_not_at_all_and_written_as_they_were() {
        let contacts = "<query xmlns='jabber:iq:roster'>\
             <item jid='a@b' name='A &amp; B' subscription='both' ask='subscribe'>\
             <group>One</group><group>&lt;Two&gt;</group></item><item/><other jid='x'/>\
             <item jid='c@d'/></query>";
        let items = items(&answer("result", contacts)).unwrap();
        let jids: Vec<_> = items.iter().map(|item| item.jid.as_str()).collect();
        assert_eq!(jids, ["a@b", "c@d"]);
        assert_eq!(items[1], Item::new("c@d".to_owned()));
        assert_eq!(
            write("bridge.p.test", "bob@p.test", "1", &items[0]).to_wire(),
            "<iq type='set' from='bridge.p.test' to='bob@p.test' id='1'>\
             <query xmlns='jabber:iq:roster'><item jid='a@b' name='A &amp; B'>\
             <group>One</group><group>&lt;Two&gt;</group></item></query></iq>"
        );
        assert_eq!(super::items(&Stanza { whole: false, ..answer("result", contacts) }), None);
        assert_eq!(super::items(&answer("error", contacts)), None);
        assert_eq!(super::items(&answer("result", "")), None);
        let empty = super::items(&answer("result", "<query xmlns='jabber:iq:roster'/>"));
        assert_eq!(empty, Some(Vec::new()));
    }
}
