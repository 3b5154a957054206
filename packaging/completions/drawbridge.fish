# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_drawbridge_global_optspecs
    string join \n c/config= h/help V/version
end

function __fish_drawbridge_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_drawbridge_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_drawbridge_using_subcommand
    set -l cmd (__fish_drawbridge_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c drawbridge -n "__fish_drawbridge_needs_command" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_needs_command" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -s V -l version -d 'Print version'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "run" -d 'Run the bridge until SIGTERM or SIGINT'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "check" -d 'Find everything that is wrong with the configuration'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "doctor" -d 'Try every connection, file and right that the daemon needs, and say what to do'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "status" -d 'Print how the running bridge is'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "queue" -d 'Look at what waits in the running bridge, hurry it, or take it out'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "blocks" -d 'See whom users of the running bridge do not want to hear from, and change it'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "people" -d 'See what users of the running bridge want, change it, take it out and bring it back'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "requests" -d 'See which strangers wait for a user\'s word, and give it'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "registration" -d 'Write the file that a network\'s own server needs to let the bridge in'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "address" -d 'Print under which address a user is reached on another network, or who is behind one'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "version" -d 'Print the version, and which adapters are built in'
complete -c drawbridge -n "__fish_drawbridge_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand run" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand run" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand check" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand check" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand doctor" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand status" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand status" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand status" -l json -d 'For machines: the same as `GET /health`'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand status" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and not __fish_seen_subcommand_from list show retry drop help" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and not __fish_seen_subcommand_from list show retry drop help" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and not __fish_seen_subcommand_from list show retry drop help" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and not __fish_seen_subcommand_from list show retry drop help" -f -a "list" -d 'List what waits, the oldest first'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and not __fish_seen_subcommand_from list show retry drop help" -f -a "show" -d 'Show one thing that waits'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and not __fish_seen_subcommand_from list show retry drop help" -f -a "retry" -d 'Try at once what waits for its next try'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and not __fish_seen_subcommand_from list show retry drop help" -f -a "drop" -d 'Take messages out for good: their senders are told `expired`'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and not __fish_seen_subcommand_from list show retry drop help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from list" -l network -d 'Only what waits for this network' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from list" -l after -d 'Only what stands behind this number' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from list" -l limit -d 'At most so many' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from list" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from list" -l json -d 'For machines'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from show" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from show" -l json -d 'For machines'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from retry" -l network -d 'All conversations to this network' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from retry" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from retry" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from drop" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from drop" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "list" -d 'List what waits, the oldest first'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show one thing that waits'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "retry" -d 'Try at once what waits for its next try'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "drop" -d 'Take messages out for good: their senders are told `expired`'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and not __fish_seen_subcommand_from list add remove help" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and not __fish_seen_subcommand_from list add remove help" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and not __fish_seen_subcommand_from list add remove help" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and not __fish_seen_subcommand_from list add remove help" -f -a "list" -d 'List blocks'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and not __fish_seen_subcommand_from list add remove help" -f -a "add" -d 'Keep all of one user from another, at once, on all networks; who is blocked is not told'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and not __fish_seen_subcommand_from list add remove help" -f -a "remove" -d 'End a block: what is sent from now on arrives, what was sent meanwhile does not'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and not __fish_seen_subcommand_from list add remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from list" -l owner -d 'Only those of this user, as `network:id`' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from list" -l limit -d 'At most so many' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from list" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from list" -l json -d 'For machines'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from add" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from add" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from remove" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from remove" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from help" -f -a "list" -d 'List blocks'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from help" -f -a "add" -d 'Keep all of one user from another, at once, on all networks; who is blocked is not told'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from help" -f -a "remove" -d 'End a block: what is sent from now on arrives, what was sent meanwhile does not'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand blocks; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -f -a "list" -d 'List users of whom anything is known'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -f -a "show" -d 'Show what is known of one user'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -f -a "enable" -d 'Switch a third-party network on for a user, in their name'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -f -a "disable" -d 'Switch a third-party network off for a user'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -f -a "export" -d 'Print what is known of everybody, or of one user: a JSON object a line'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -f -a "import" -d 'Bring back what was exported, beside what is known already'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -f -a "erase" -d 'Forget all that a user wanted; what others want of the user stays'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and not __fish_seen_subcommand_from list show enable disable export import erase help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from list" -l limit -d 'At most so many' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from list" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from list" -l json -d 'For machines'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from show" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from enable" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from enable" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from disable" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from disable" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from export" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from export" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from import" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from import" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from erase" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from erase" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from erase" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from help" -f -a "list" -d 'List users of whom anything is known'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show what is known of one user'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from help" -f -a "enable" -d 'Switch a third-party network on for a user, in their name'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from help" -f -a "disable" -d 'Switch a third-party network off for a user'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from help" -f -a "export" -d 'Print what is known of everybody, or of one user: a JSON object a line'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from help" -f -a "import" -d 'Bring back what was exported, beside what is known already'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from help" -f -a "erase" -d 'Forget all that a user wanted; what others want of the user stays'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand people; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and not __fish_seen_subcommand_from list accept decline help" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and not __fish_seen_subcommand_from list accept decline help" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and not __fish_seen_subcommand_from list accept decline help" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and not __fish_seen_subcommand_from list accept decline help" -f -a "list" -d 'List who waits'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and not __fish_seen_subcommand_from list accept decline help" -f -a "accept" -d 'Let a user hear from another: what waits comes at once'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and not __fish_seen_subcommand_from list accept decline help" -f -a "decline" -d 'Turn away who waits for a user\'s word; they are not told'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and not __fish_seen_subcommand_from list accept decline help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from list" -l owner -d 'Only for the word of this user, as `network:id`' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from list" -l limit -d 'At most so many' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from list" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from list" -l json -d 'For machines'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from accept" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from accept" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from decline" -l socket -d 'Its socket [default: as the configuration says]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from decline" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from decline" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from help" -f -a "list" -d 'List who waits'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from help" -f -a "accept" -d 'Let a user hear from another: what waits comes at once'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from help" -f -a "decline" -d 'Turn away who waits for a user\'s word; they are not told'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand requests; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand registration" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand registration" -l force -d 'Replace the file if there is one: the server then needs the new one too'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand registration" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand address" -l on -d 'The network on which the user is reached' -r
complete -c drawbridge -n "__fish_drawbridge_using_subcommand address" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand address" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand version" -s c -l config -d 'The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]' -r -F
complete -c drawbridge -n "__fish_drawbridge_using_subcommand version" -s h -l help -d 'Print help'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "run" -d 'Run the bridge until SIGTERM or SIGINT'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "check" -d 'Find everything that is wrong with the configuration'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "doctor" -d 'Try every connection, file and right that the daemon needs, and say what to do'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "status" -d 'Print how the running bridge is'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "queue" -d 'Look at what waits in the running bridge, hurry it, or take it out'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "blocks" -d 'See whom users of the running bridge do not want to hear from, and change it'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "people" -d 'See what users of the running bridge want, change it, take it out and bring it back'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "requests" -d 'See which strangers wait for a user\'s word, and give it'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "registration" -d 'Write the file that a network\'s own server needs to let the bridge in'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "address" -d 'Print under which address a user is reached on another network, or who is behind one'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "version" -d 'Print the version, and which adapters are built in'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and not __fish_seen_subcommand_from run check doctor status queue blocks people requests registration address version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from queue" -f -a "list" -d 'List what waits, the oldest first'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from queue" -f -a "show" -d 'Show one thing that waits'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from queue" -f -a "retry" -d 'Try at once what waits for its next try'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from queue" -f -a "drop" -d 'Take messages out for good: their senders are told `expired`'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from blocks" -f -a "list" -d 'List blocks'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from blocks" -f -a "add" -d 'Keep all of one user from another, at once, on all networks; who is blocked is not told'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from blocks" -f -a "remove" -d 'End a block: what is sent from now on arrives, what was sent meanwhile does not'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from people" -f -a "list" -d 'List users of whom anything is known'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from people" -f -a "show" -d 'Show what is known of one user'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from people" -f -a "enable" -d 'Switch a third-party network on for a user, in their name'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from people" -f -a "disable" -d 'Switch a third-party network off for a user'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from people" -f -a "export" -d 'Print what is known of everybody, or of one user: a JSON object a line'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from people" -f -a "import" -d 'Bring back what was exported, beside what is known already'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from people" -f -a "erase" -d 'Forget all that a user wanted; what others want of the user stays'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from requests" -f -a "list" -d 'List who waits'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from requests" -f -a "accept" -d 'Let a user hear from another: what waits comes at once'
complete -c drawbridge -n "__fish_drawbridge_using_subcommand help; and __fish_seen_subcommand_from requests" -f -a "decline" -d 'Turn away who waits for a user\'s word; they are not told'
