-- Changes nothing: for measuring, and as a template.
return {
  about = "changes nothing",
  tests = {{send = "HELLO\n", wire = "HELLO\n"}, {recv = "HELLO\n", deliver = "HELLO\n", chunks = "any"}},
}
