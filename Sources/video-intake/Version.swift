/// The version of this program and of what it comes with.
let programVersion = "0.3.0"
