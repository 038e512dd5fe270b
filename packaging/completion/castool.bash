# Completion of castool for bash. Commands, options and their words are those that the program's
# own help names, so this file does not change with them.

_castool_commands() {
  castool --help 2>/dev/null | awk '/^Commands:/ {on = 1; next} on && NF == 0 {exit} on {print $1}'
}

# _castool_options [COMMAND]: long options, one a line.
_castool_options() {
  { castool --help; castool ${1+"$1"} --help; } 2>/dev/null | grep -oE -- '^ +(-[a-z], ?)?--[a-z_-]+' |
    grep -oE -- '--[a-z_-]+'
}

# _castool_words COMMAND OPTION: the words that an option takes, where its help lists them (a|b|c).
_castool_words() {
  { castool --help; castool "$1" --help; } 2>/dev/null |
    awk -v option="$2" '{n = split($1, names, ",")}
      (names[n] == option || $2 == option) {for (i = 2; i <= 3; i++) if ($i ~ /\|/) {gsub(/\|/, "\n", $i); print $i; exit}}'
}

_castool_names() {
  castool --json ls 2>/dev/null | sed -n 's/.*"name":"\([^"]*\)".*/\1/p'
}

_castool() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $word != -* ]] && _castool_commands | grep -qxF -- "$word"; then
      command=$word
      break
    fi
  done
  local words
  words=$([[ -n $command ]] && _castool_words "$command" "$previous")
  if [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_castool_options ${command:+"$command"})" -- "$current")
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_castool_commands)" -- "$current")
  else
    case $command in
      mount | umount | import) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
      *) mapfile -t COMPREPLY < <(compgen -W "$(_castool_names)" -- "$current") ;;
    esac
  fi
}
complete -o default -F _castool castool
