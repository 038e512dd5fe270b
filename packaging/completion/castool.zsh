#compdef castool
# Completion of castool for zsh; what there is, is what the program's own help names.

_castool() {
  local -a commands names
  local command=
  commands=(${(f)"$(castool --help 2>/dev/null |
    awk '/^Commands:/ {on = 1; next} on && NF == 0 {exit} on {sub(/^ +/, ""); sub(/ +/, ":"); print}')"})
  local word
  for word in ${words[2,CURRENT-1]}; do
    if [[ -n ${(M)commands:#${word}:*} ]]; then
      command=$word
      break
    fi
  done
  if [[ ${words[CURRENT]} == -* ]]; then
    local -a options
    options=(${(fu)"$({castool --help; [[ -z $command ]] || castool $command --help} 2>/dev/null |
      grep -oE -- '^ +(-[a-z], ?)?--[a-z_-]+' | grep -oE -- '--[a-z_-]+')"})
    compadd -- $options
  elif [[ -z $command ]]; then
    _describe command commands
  elif [[ $command == (mount|umount|import) ]]; then
    _files
  else
    names=(${(f)"$(castool --json ls 2>/dev/null | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')"})
    compadd -- $names || _files
  fi
}

_castool "$@"
