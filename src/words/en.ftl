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
about-requests = who wants to write to you
about-accept = hear from this user: what waits comes at once
about-decline = turn this user away; nobody is told
about-block = hear nothing more of this person, on all networks; nobody is told
about-unblock = hear this person again; what was sent meanwhile never comes
about-blocks = whom you have blocked
about-chat = the address under which you can write to a user
about-who = what is known of a user
about-link = make two accounts of yours one person's: ask for a code here, say it there
about-unlink = take this account out of your person again; blocks stay

field-network = The network, for instance { $example }
field-user = The user, as network:name
field-code = The code, if you have one from your other account

unknown-word =
    I do not know “{ $word }”.{ $hint ->
        [none] {""}
       *[other] {" "}Did you mean { $hint }?
    } Say help for all that I know.
missing-user = Whom? Say { $command } and a user, for instance { $command } { $example }.
missing-network = Which one? Say { $command } and a network. Say networks for a list.
too-much = I understand one name after { $command }, not more.
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
