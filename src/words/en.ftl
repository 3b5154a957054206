# Everything that the bridge says to people, in English. Another language is another file.
# Ids of users stay as they are: people copy them into commands.

help =
    I am the bridge. Other apps and networks reach you through me, if you want it. You can say:
    { $commands }
    A user is written as network:name, for instance { $example }.

about-help = what can be said
about-networks = which networks there are, and which are on for you
about-enable = switch a network on: its users may ask to write to you
about-disable = switch a network off again; your chats stay
about-inbox = whether chats with other apps stand in a folder of their own
about-requests = who wants to write to you
about-accept = hear from this user: what waits comes at once
about-decline = turn this user away; nobody is told
about-block = hear nothing more of this person, on all networks; nobody is told
about-unblock = hear this person again; what was sent meanwhile never comes
about-blocks = whom you have blocked
about-mute = no noise from the chat with this user; messages still come
about-unmute = noise from that chat again
about-chat = the address under which you can write to a user
about-who = what is known of a user
about-receipts = whether others see that you have read what they wrote: on or off
about-presence = whether those you hear from see that you are there: on or off
about-strict = on: of strangers I take only text; sealed: besides, nothing that I could read
about-report = tell those who run a user's network about them, with as many of their last messages as you say
about-link = make two accounts of yours one person's: ask for a code here, say it there
about-unlink = take this account out of your person again; blocks stay
about-login = let me read and write your own lists and settings, with your access token
about-logout = take that back

field-network = The network, for instance { $example }
field-user = The user, as network:name
field-code = The code, if you have one from your other account
field-mode = Where chats with other apps stand
field-duration = For how long
field-level = How strict
field-reason = Why
field-count = How many of their last messages the report names
field-token = Your access token

unknown-word =
    I do not know “{ $word }”.{ $hint ->
        [none] {""}
       *[other] {" "}Did you mean { $hint }?
    } Say help for all that I know.
missing-user = Whom? Say { $command } and a user, for instance { $command } { $example }.
missing-network = Which one? Say { $command } and a network. Say networks for a list.
missing-duration = For how long? Say { $command }, the user, and 8h, 1w, 1y or always; for instance { $command } { $example } 8h.
missing-reason = Why? Say { $command }, the user, and spam, abuse or other; for instance { $command } { $example } spam 3, to name their last three messages.
missing-token = Say { $command } and your access token. I take it out of this chat again where I can.
not-one-of = After { $command } there may stand: { $options }. Not “{ $word }”.
too-much = I understand { $count ->
        [0] nothing
        [1] one word
       *[other] { $count } words
    } after { $command }, not more.
too-many-said = { $what ->
        [blocks] You have blocked { $most } users already, and I keep no more. Say unblock and one of them first.
        [mutes] You have silenced { $most } chats already, and I keep no more. Say unmute and a user first.
       *[contacts] You hear from { $most } users who had to ask you, and I keep no more: nobody else can be added.
    }
not-text = I only read text. Say help for what I understand.
no-network = There is no network { $network } to switch on or off.{ $networks ->
        [none] {""}
       *[other] {" "}There is: { $networks }.
    }
no-user = I cannot tell who “{ $user }” is. Write network:name, for instance { $example }.
oneself = That is you.

networks =
    { $list }
    Switch one on with enable and its name, off with disable.
network-on = { $network }: on
network-off = { $network }: off
network-home = { $network }: always on
no-networks = There is no other network to switch on.
enabled = { $network } is on. Its users can now ask to write to you; I show you each one first. Say disable { $network } to switch it off.
enabled-already = { $network } is on already. Say disable { $network } to switch it off.
disabled = { $network } is off. Nothing of it reaches you, and nobody there can tell that you are here. Your chats stay. Say enable { $network } to switch it on.
disabled-already = { $network } is off already. Say enable { $network } to switch it on.
not-enabled = Your message to { $user } did not go: { $network } is off for you. Say enable { $network } to switch it on, and send it again.

request =
    { $name ->
        [none] { $user }
       *[other] { $name } ({ $user })
    } wants to write to you:
    “{ $text }”
    Say accept { $user }, decline { $user } or block { $user }.
request-without-text =
    { $name ->
        [none] { $user }
       *[other] { $name } ({ $user })
    } wants to send you something ({ $kind }).
    Say accept { $user }, decline { $user } or block { $user }.
requests =
    Who wants to write to you:
    { $list }
    Say accept, decline or block and the user.
request-line = { $user }{ $name ->
        [none] {""}
       *[other] {" "}({ $name })
    }, { $count ->
        [one] one message
       *[other] { $count } messages
    }: “{ $text }”
no-requests = Nobody waits for your answer.
accepted = You hear from { $user } now; what waited is on its way. Say block { $user } if you change your mind.
accepted-already = You hear from { $user } already. Say block { $user } if you do not want to.
accept-blocked = You have blocked { $user }. Say unblock { $user } first.
declined = You do not hear from { $user }, and they are not told. Say accept { $user } if you change your mind.
no-request = { $user } has not asked. Say block { $user } if you want to hear nothing of them.

blocked = You hear nothing more of { $user } or any account known to be theirs, and they are not told. Say unblock { $user } to undo it.
blocked-already = You have blocked { $user } already. Say unblock { $user } to undo it.
unblocked = You hear { $user } again. What they sent meanwhile does not come.
unblocked-already = You have not blocked { $user }.
blocks =
    Whom you have blocked:
    { $list }
    Say unblock and the user to undo it.
no-blocks = You have blocked nobody. Say block and a user to hear nothing more of them.

muted = { $told ->
        [login] The chat with { $user } is to make no noise{ $duration ->
            [always] {""}
            [hours] {" "}for 8 hours
            [week] {" "}for a week
           *[year] {" "}for a year
        }, but your own settings are closed to me: your app still rings. Say login to open them, or silence the chat there.
       *[other] The chat with { $user } makes no noise{ $duration ->
            [always] {""}
            [hours] {" "}for 8 hours
            [week] {" "}for a week
           *[year] {" "}for a year
        }; messages still come.{ $told ->
            [yes] {""}
           *[no] {" "}Your app cannot be told by me: silence the chat there too, if it still rings.
        }
    } Say unmute { $user } to undo it.
muted-already = { $told ->
        [login] The chat with { $user } is to make no noise already, but your own settings are closed to me: your app still rings. Say login to open them, or silence the chat there.
       *[other] The chat with { $user } makes no noise already.
    } Say unmute { $user } to undo it.
mute-failed = Your own server did not let me silence the chat with { $user }: your app still rings. Silence the chat there.
mute-own-network = { $user } is of your own network: I can only silence chats with users of others. Silence the chat in your app.
unmuted = The chat with { $user } makes noise again. Say mute { $user } and 8h, 1w, 1y or always to silence it.
unmuted-already = The chat with { $user } is not muted. Say mute { $user } and 8h, 1w, 1y or always to silence it.

folder = Other apps
inbox-is = Your chats with other apps stand { $mode ->
        [separate] in a folder of their own. Say inbox combined to have them among the others.
       *[combined] among the others. Say inbox separate to have them in a folder of their own.
    }
inbox-separate = Your chats with other apps go into the folder “{ $folder }”. Say inbox combined to have them among the others.
inbox-combined = Your chats with other apps stand among the others. Say inbox separate to have them in a folder of their own.
inbox-already = So it is already: { $mode }. Say inbox for what it means.
inbox-failed = Your own server does not let me arrange your chats: they stay among the others.
inbox-stays = Your own server did not let me bring your chats out of their folder: move them in your app.
inbox-cannot = There is no folder for your chats: your network has none that I could use, or there is no other app.

receipts-is = { $mode ->
        [off] Nobody is told what you have read. Say receipts on to change that.
       *[on] Those who write to you see that you have read it. Say receipts off to change that.
    }
presence-is = { $mode ->
        [on] Those you hear from on other networks see whether you are there, where their app shows it. Say presence off to change that.
       *[off] Nobody on other networks sees whether you are there. Say presence on to change that.
    }
presence-cannot = Your network does not tell me whether you are there, so nobody on other networks sees it.
place = A place:
contact-card = Contact: { $name }
poll = Poll: { $question }
poll-answer = { $count ->
        [one] (Votes do not cross: say which one you choose.)
       *[other] (Votes do not cross: say which you choose, up to { $count }.)
    }
strict-is = { $level ->
        [off] I am not stricter for you than for everybody. Say strict on, and of strangers I take only text.
        [on] Of strangers I take only text for you. Say strict off to undo it.
       *[sealed] Nothing that I could read crosses to you or from you, and today I can read everything. Say strict on or strict off to undo it.
    }
strict-changed = { $level ->
        [off] I am not stricter for you than for everybody now. Say strict on to change that.
        [on] Of strangers I take only text for you now. Say strict off to undo it.
       *[sealed] Nothing that I could read crosses to you or from you now, and today I can read everything: nothing crosses until you say strict on or strict off.
    }
strict-already = So it is already: { $level }. Say strict for what it means.
voice-note = Voice note

reported = I report { $user } to those who run their network, with { $count ->
        [0] none of their messages. Say report again with a number to name their last ones.
        [one] their last message.
       *[other] their last { $count } messages.
    } Say block { $user } to hear nothing more of them.
report-cannot = I know nobody who takes a report about { $user }. Say block { $user } to hear nothing more of them.
report-too-many = I do not report { $user }: there were enough for now, of yours or of all users of your network. Say block { $user } to hear nothing more of them, and report them in an hour.
report-failed = My report of { $user } did not reach those who run their network. Say block { $user } to hear nothing more of them.
report-words = A user of { $network } reports { $user }. Reason: { $reason }. { $count ->
        [0] No messages are named.
        [one] One message is named.
       *[other] { $count } messages are named.
    }

login-tried = I try it, and tell you.
login-works = It works: I keep your lists and settings in step from now on. Say logout to take that back.
login-refused = It does not open your account: nothing is kept. Say login and an access token of this very account.
login-expired = I could not try it for too long: nothing is kept. Say login again.
login-cannot = Your network has nothing that I could use your login for.
logged-out = Forgotten: I do not touch your lists and settings any more. Say login and your access token to change that.

chat = You can write to { $user } here: { $address }
chat-not-enabled = { $network } is off for you. Say enable { $network }, then ask again.
who =
    { $user } is on { $network }{ $address ->
        [none] {"."}
       *[other] {", and here under"} { $address }.
    } { $state ->
        [blocked] You have blocked them. Say unblock { $user } to undo it.
        [contact] You hear from them. Say block { $user } if you do not want to.
        [asks] They want to write to you. Say accept { $user }, decline { $user } or block { $user }.
       *[other] You have not heard from them.
    }{ $muted ->
        [none] {""}
       *[other] {" "}The chat is muted ({ $muted }). Say unmute { $user } to undo it.
    }

link-code = Say this to me from your other account within { $minutes } minutes: link { $code }
linked = { $user } and this account are one person's now: a block by either counts for both. Nobody else is told. Say unlink to take this account out.
linked-here = { $user } has said your code: your two accounts are one person's now. If that was not you, say unlink at once.
link-wrong = That code is not right, or too old. Say link on your other account for a new one.
link-oneself = Say the code from your other account, not from this one.
link-already = { $user } and this account are one person's already.
link-too-many = A person has at most { $most } accounts.
unlinked = This account is on its own again. What was blocked stays blocked.
unlinked-already = This account is on its own.
