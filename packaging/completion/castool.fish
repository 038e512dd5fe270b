# Completion of castool for fish; what there is, is what the program's own help names.

function __castool_commands
    castool --help 2>/dev/null | awk '/^Commands:/ {on = 1; next} on && NF == 0 {exit} on {sub(/^ +/, ""); sub(/ +/, "\t"); print}'
end

function __castool_command
    for word in (commandline -opc)[2..]
        if __castool_commands | string match -qr "^$word\t"
            echo $word
            return 0
        end
    end
    return 1
end

function __castool_options
    begin
        castool --help
        castool (__castool_command) --help
    end 2>/dev/null | string match -gr -- '^ +(?:-[a-z], ?)?(--[a-z_-]+)'
end

function __castool_names
    castool --json ls 2>/dev/null | string match -gr '"name":"([^"]*)"'
end

complete -c castool -n 'not __castool_command >/dev/null' -f -a '(__castool_commands)'
complete -c castool -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__castool_options)'
complete -c castool -n 'not contains -- (__castool_command) "" mount umount import' -f -a '(__castool_names)'
