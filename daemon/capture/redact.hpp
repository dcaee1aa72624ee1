// Takes secrets out of the arguments of processes, before anything keeps them.
//
// What is hidden is replaced by "***". Each byte is looked at a bounded number of times, so that a
// process cannot slow us down with its arguments. In doubt more is hidden than needs to be:
//
//  * the value of an option, variable, header or JSON member whose name suggests a secret, wherever
//  it
//    is: "--password=x", "--password x", "PASSWORD=x", "Authorization: Bearer x", {"token":"x"}.
//    Where the name begins an argument, the rest of the argument is hidden. Names of files that
//    hold secrets
//    (--password-file, TOKEN_PATH) are not;
//  * a long opaque value (16 or more letters and digits mixed) after a name that suggests one only
//    vaguely, such as "key" or "session";
//  * options of one letter, for programs that are known to take a secret in them: "mysql -pSECRET";
//  * user and password of URLs, and a lone user that looks opaque;
//  * what is recognisable by itself: AWS access key ids, JSON Web Tokens, private keys in PEM,
//  tokens
//    of large services that begin with a prefix of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace portd::capture {

// The setting `arguments`: what is kept of a process's arguments.
enum class ArgumentPolicy : std::uint8_t { off, redacted, full };

std::optional<ArgumentPolicy> parse_argument_policy(std::string_view word);
std::string_view to_string(ArgumentPolicy policy);

// The arguments, the program's name first, joined by spaces, without their secrets.
std::string redact(std::span<const std::string_view> arguments);

// Whether a value with this name is taken for a secret. Pure spelling: "--db.password", "apiKey",
// "GITHUB_TOKEN".
bool suggests_secret(std::string_view name);

} // namespace portd::capture
