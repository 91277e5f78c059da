# Every rule of tflint about the language itself. Those about a cloud's own values are plugins, which tflint fetches: tofu validate does without them.
plugin "terraform" {
  enabled = true
  preset  = "all"
}
