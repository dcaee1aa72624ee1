#include "capture/redact.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace portd::capture {
namespace {

constexpr std::string_view hidden = "***";
constexpr auto npos = std::string_view::npos;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_letter(char c) {
    return is_upper(c) || (c >= 'a' && c <= 'z');
}
bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_quote(char c) {
    return c == '"' || c == '\'' || c == '`';
}
bool is_name_character(char c) {
    return is_digit(c) || is_letter(c) || c == '_' || c == '-' || c == '.';
}
bool is_opaque_character(char c) {
    return is_digit(c) || is_letter(c) || std::string_view("+/=_-.~%").find(c) != npos;
}
char lower(char c) {
    return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

template <typename Predicate>
std::size_t run_length(std::string_view text, Predicate &&belongs) {
    return static_cast<std::size_t>(std::ranges::find_if_not(text, belongs) - text.begin());
}

// A name in lower case with '_' between its words: "apiKey" and "API-KEY" are both "api_key".
std::string normalised(std::string_view name) {
    constexpr std::size_t longest_name = 128;
    if (name.size() > longest_name)
        name.remove_prefix(name.size() - longest_name);
    std::string text;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const char c = name[i];
        const bool word_begins = is_upper(c) && i > 0 && !is_upper(name[i - 1]) &&
                                 (is_letter(name[i - 1]) || is_digit(name[i - 1]));
        if (!is_letter(c) && !is_digit(c))
            text += '_';
        else if (word_begins)
            (text += '_') += lower(c);
        else
            text += lower(c);
    }
    const auto begin = std::min(text.find_first_not_of('_'), text.size());
    return text.substr(begin, text.find_last_not_of('_') + 1 - begin);
}

std::string_view last_word(std::string_view name) {
    return name.substr(name.rfind('_') + 1); // npos + 1 is 0
}

template <std::size_t N>
bool is_any(std::string_view word, const std::array<std::string_view, N> &words) {
    return std::ranges::find(words, word) != words.end();
}

// Where the secret is, or that it will be asked for; not the secret.
bool names_a_place(std::string_view name) {
    constexpr std::array<std::string_view, 6> words{"file",  "filename", "path",
                                                    "stdin", "prompt",   "sock"};
    return is_any(last_word(name), words);
}

bool any_word_is_secret(std::string_view name) {
    constexpr std::array<std::string_view, 12> words{"auth",   "pass",    "pw",     "pswd",
                                                     "passin", "passout", "cred",   "creds",
                                                     "cookie", "cookies", "bearer", "jwt"};
    while (!name.empty()) {
        const auto end = std::min(name.find('_'), name.size());
        const auto word = name.substr(0, end);
        if (is_any(word, words) || word.ends_with("token") || word.ends_with("apikey"))
            return true;
        name.remove_prefix(std::min(end + 1, name.size()));
    }
    return false;
}

bool contains_secret_words(std::string_view name) {
    constexpr std::array<std::string_view, 17> parts{
        "password",   "passwd",        "passphrase", "passcode",    "pwd",           "secret",
        "credential", "authorization", "api_key",    "apikey",      "private_key",   "privatekey",
        "access_key", "accesskey",     "auth_key",   "account_key", "encryption_key"};
    return std::ranges::any_of(parts, [&](auto part) { return name.find(part) != npos; });
}

bool suggests_vaguely(std::string_view name) {
    constexpr std::array<std::string_view, 12> words{"key",   "session",   "sid",  "sessionid",
                                                     "sig",   "signature", "salt", "seed",
                                                     "nonce", "psk",       "otp",  "hash"};
    return is_any(last_word(normalised(name)), words);
}

// Letters and digits mixed, at least 16 of them, as in keys in hexadecimal or base64.
bool begins_opaque(std::string_view value) {
    constexpr std::size_t enough = 16;
    if (value.starts_with('/') || value.starts_with('.') || value.starts_with('~'))
        return false; // a path
    value = value.substr(0, 64);
    value = value.substr(0, run_length(value, is_opaque_character));
    return value.size() >= enough && std::ranges::any_of(value, is_digit) &&
           std::ranges::any_of(value, is_letter);
}

bool begins_with_run(std::string_view text, std::size_t length) {
    constexpr auto plain = [](char c) {
        return is_letter(c) || is_digit(c) || c == '_' || c == '-';
    };
    return run_length(text.substr(0, length), plain) >= length;
}

// Tokens that are recognisable by themselves.
bool is_known_token(std::string_view name) {
    constexpr std::array<std::string_view, 8> aws{"AKIA", "ASIA", "AGPA", "AIDA",
                                                  "AROA", "AIPA", "ANPA", "ANVA"};
    constexpr std::array<std::string_view, 17> prefixes{
        "ghp_",     "gho_",     "ghu_",  "ghs_",  "ghr_",   "github_pat_",
        "glpat-",   "xoxa-",    "xoxb-", "xoxp-", "xoxr-",  "xoxs-",
        "sk_live_", "rk_live_", "npm_",  "pypi-", "sk-ant-"};
    if (name.size() == 20 && is_any(name.substr(0, 4), aws))
        return std::ranges::all_of(name, [](char c) { return is_upper(c) || is_digit(c); });
    if (name.starts_with("AIza"))
        return begins_with_run(name, 35);
    if (name.starts_with("eyJ"))
        return name.size() >= 20 && name.find('.') != npos;
    return std::ranges::any_of(prefixes, [&](auto prefix) {
        return name.starts_with(prefix) && begins_with_run(name.substr(prefix.size()), 10);
    });
}

// Options of one letter (or of one word) that carry a secret.
enum class Carries : std::uint8_t { attached = 1, separate = 2, both = 3 };

struct ProgramOption {
    std::string_view program; // what the name begins with
    std::string_view option;
    Carries carries;
};

constexpr std::array<ProgramOption, 26> program_options{{
    {"mysql", "-p", Carries::attached},
    {"mariadb", "-p", Carries::attached},
    {"sshpass", "-p", Carries::both},
    {"curl", "-u", Carries::both},
    {"curl", "--user", Carries::separate},
    {"curl", "-U", Carries::both},
    {"curl", "--proxy-user", Carries::separate},
    {"curl", "-b", Carries::both},
    {"ldap", "-w", Carries::both},
    {"redis-cli", "-a", Carries::both},
    {"smbclient", "-U", Carries::both},
    {"smbclient", "--user", Carries::separate},
    {"rpcclient", "-U", Carries::both},
    {"mongo", "-p", Carries::both},
    {"sqlcmd", "-P", Carries::both},
    {"zip", "-P", Carries::both},
    {"unzip", "-P", Carries::both},
    {"7z", "-p", Carries::attached},
    {"login", "-p", Carries::both}, // "docker login", "helm registry login"
    {"mosquitto_", "-P", Carries::both},
    {"ipmitool", "-P", Carries::both},
    {"snmp", "-A", Carries::both},
    {"snmp", "-X", Carries::both},
    {"openssl", "-k", Carries::separate},
    {"openssl", "-K", Carries::separate},
    {"xfreerdp", "/p:", Carries::attached},
}};

bool has(Carries carries, Carries which) {
    return (static_cast<unsigned>(carries) & static_cast<unsigned>(which)) != 0;
}

// "-su" is "-s -u".
bool ends_cluster(std::string_view word, std::string_view option) {
    constexpr std::size_t longest_cluster = 6;
    return option.size() == 2 && word.size() > 2 && word.size() <= longest_cluster &&
           word.front() == '-' && word.back() == option.back() &&
           std::ranges::all_of(word.substr(1), is_letter);
}

std::string_view base_name(std::string_view word) {
    return word.substr(word.rfind('/') + 1);
}

bool is_known_program(std::string_view name) {
    return std::ranges::any_of(program_options,
                               [&](const auto &o) { return name.starts_with(o.program); });
}

class Redactor {
  public:
    void argument(std::string_view text);
    std::string take() { return std::move(out_); }

  private:
    // What the next word is.
    enum class Next : std::uint8_t { anything, secret };

    void word_begins();
    bool known_program_option(std::string_view word);
    void name();
    bool assignment(std::string_view name, std::size_t name_begin, std::size_t after_name);
    void url();
    void hide_to(std::size_t end);
    void copy_to(std::size_t end);

    std::size_t word_end(std::size_t from) const;
    enum class Ampersand : std::uint8_t { belongs, ends };
    std::size_t value_end(std::size_t from, Ampersand ampersand = Ampersand::belongs) const;
    std::size_t header_end(std::size_t from) const;
    void hide_value(std::size_t begin, std::size_t end);

    std::string out_;
    std::string_view program_;
    Next next_ = Next::anything;

    std::string_view text_;           // the argument
    std::size_t at_ = 0;              // what is before is done
    std::size_t word_end_ = 0;        // of the word at at_
    std::size_t last_at_sign_ = npos; // in that word
};

void Redactor::copy_to(std::size_t end) {
    out_ += text_.substr(at_, end - at_);
    at_ = end;
}

void Redactor::hide_to(std::size_t end) {
    out_ += hidden;
    at_ = end;
}

// Hides [begin, end), except for the quote that opens it.
void Redactor::hide_value(std::size_t begin, std::size_t end) {
    copy_to(begin < end && is_quote(text_[begin]) ? begin + 1 : begin);
    hide_to(end);
}

std::size_t Redactor::word_end(std::size_t from) const {
    return from + run_length(text_.substr(from), [](char c) { return !is_blank(c); });
}

// Of a value within an argument. A quoted one ends with its quote (or with the argument).
std::size_t Redactor::value_end(std::size_t from, Ampersand ampersand) const {
    if (from < text_.size() && is_quote(text_[from])) {
        for (auto i = from + 1; i < text_.size(); ++i)
            if (text_[i] == text_[from] && text_[i - 1] != '\\')
                return i;
        return text_.size();
    }
    const auto goes_on = [&](char c) {
        return !is_blank(c) && !is_quote(c) && (c != '&' || ampersand == Ampersand::belongs);
    };
    return from + run_length(text_.substr(from), goes_on);
}

// Of the value of a header, which may hold blanks.
std::size_t Redactor::header_end(std::size_t from) const {
    if (from < text_.size() && is_quote(text_[from]))
        return value_end(from);
    const auto goes_on = [](char c) { return !is_quote(c) && c != '\n' && c != '\r'; };
    return from + run_length(text_.substr(from), goes_on);
}

void Redactor::argument(std::string_view text) {
    text_ = text;
    at_ = 0;
    word_end_ = 0;
    if (!out_.empty())
        out_ += ' ';
    // A secret that is an argument of its own may hold blanks. Another option in its place means
    // that it was not given.
    const bool is_option = text.size() > 2 && text.starts_with("--") && is_letter(text[2]);
    if (std::exchange(next_, Next::anything) == Next::secret && !is_option)
        return hide_to(text.size());
    while (at_ < text_.size()) {
        if (is_blank(text_[at_]))
            copy_to(at_ + 1);
        else if (at_ >= word_end_)
            word_begins();
        else if (is_name_character(text_[at_]))
            name();
        else if (text_.substr(at_).starts_with("://"))
            url();
        else
            copy_to(at_ + 1);
    }
}

void Redactor::word_begins() {
    word_end_ = word_end(at_);
    auto word = text_.substr(at_, word_end_ - at_);
    const auto at_sign = word.rfind('@');
    last_at_sign_ = at_sign == npos ? npos : at_ + at_sign;
    const bool is_option = word.size() > 2 && word.starts_with("--") && is_letter(word[2]);
    if (std::exchange(next_, Next::anything) == Next::secret && !is_option)
        return hide_value(at_, std::max(value_end(at_), word_end_));
    while (!word.empty() && is_quote(word.front()))
        word.remove_prefix(1);
    if (known_program_option(word) || word.starts_with('-'))
        return;
    if (const auto base = base_name(word.substr(0, 256)); is_known_program(base))
        program_ = base;
}

// True if the word was an option that the program is known for, and is dealt with.
bool Redactor::known_program_option(std::string_view word) {
    for (const auto &option : program_options) {
        if (program_.empty() || !program_.starts_with(option.program))
            continue;
        const bool begins = word.starts_with(option.option);
        const bool alone = word == option.option || (!begins && ends_cluster(word, option.option));
        if (alone && has(option.carries, Carries::separate)) {
            copy_to(word_end_);
            next_ = Next::secret;
            return true;
        }
        if (begins && !alone && has(option.carries, Carries::attached)) {
            const auto value = word_end_ - word.size() + option.option.size();
            copy_to(value);
            // An argument of its own ends where it ends.
            hide_to(value == option.option.size() ? text_.size()
                                                  : std::max(value_end(value), word_end_));
            return true;
        }
    }
    return false;
}

// A name, a number, a token: whatever is made of the characters of names.
void Redactor::name() {
    const auto begin = at_;
    const auto end = begin + run_length(text_.substr(begin), is_name_character);
    const auto name = text_.substr(begin, end - begin);
    if (is_known_token(name))
        return hide_to(end);
    if (name.starts_with("-----BEGIN") && text_.substr(end, 64).find("PRIVATE KEY") != npos) {
        copy_to(end);
        return hide_to(text_.size());
    }
    if (assignment(name, begin, end))
        return;
    copy_to(end);
    const bool ends_word = end == text_.size() || is_blank(text_[end]);
    if (ends_word && name.starts_with('-') && !normalised(name).starts_with("no_") &&
        suggests_secret(name))
        next_ = Next::secret;
}

// "name=value", "name: value", "\"name\": \"value\"". True if the value was hidden.
bool Redactor::assignment(std::string_view name, std::size_t name_begin, std::size_t after_name) {
    auto i = after_name;
    const auto skip = [&](auto &&belongs, std::size_t most) {
        i += run_length(text_.substr(i, most), belongs);
    };
    constexpr std::size_t most_blanks = 8;
    skip([](char c) { return c == '\\'; }, most_blanks);
    skip(is_quote, 1);
    skip(is_blank, most_blanks);
    if (i >= text_.size() || (text_[i] != '=' && text_[i] != ':') ||
        text_.substr(i).starts_with("://"))
        return false;
    const char separator = text_[i++];
    skip(is_blank, most_blanks);
    skip([](char c) { return c == '\\'; }, most_blanks);
    if (suggests_secret(name)) {
        // In a query or a form another name may follow, and '&' within a value is encoded.
        const char before = name_begin == 0 ? ' ' : text_[name_begin - 1];
        const auto ampersand =
            before == '?' || before == '&' ? Ampersand::ends : Ampersand::belongs;
        if (name_begin == 0)
            hide_value(i, text_.size());
        else
            hide_value(i, separator == ':' ? header_end(i) : value_end(i, ampersand));
        return true;
    }
    const auto unquoted = i < text_.size() && is_quote(text_[i]) ? i + 1 : i;
    if (!suggests_vaguely(name) || !begins_opaque(text_.substr(unquoted)))
        return false;
    hide_value(i, value_end(i));
    return true;
}

// At "://". The part before the host ends with the last '@' before the path; a password that holds
// a
// '/' as it should not is recognised by a port that is not a number.
void Redactor::url() {
    copy_to(at_ + 3);
    if (last_at_sign_ == npos || at_ > last_at_sign_)
        return;
    const auto rest = text_.substr(at_, last_at_sign_ - at_);
    const auto authority = rest.substr(0, std::min(rest.find_first_of("/?#"), rest.size()));
    const auto colon = authority.rfind(':');
    const bool reaches = authority.size() == rest.size();
    const auto port = colon == npos ? authority.substr(0, 0) : authority.substr(colon + 1);
    const bool odd_port = colon != npos && (port.empty() || !std::ranges::all_of(port, is_digit));
    const auto at_sign = authority.rfind('@');
    std::size_t user_end = 0;
    if (reaches || (at_sign == npos && odd_port))
        user_end = last_at_sign_;
    else if (at_sign != npos)
        user_end = at_ + at_sign;
    else
        return;
    const auto user = text_.substr(at_, user_end - at_);
    const auto password = user.find(':');
    if (password == npos && !begins_opaque(user) && !is_known_token(user))
        return copy_to(user_end);
    if (password != npos)
        copy_to(at_ + password + 1);
    hide_to(user_end);
}

} // namespace

bool suggests_secret(std::string_view name) {
    const auto text = normalised(name);
    return !names_a_place(text) && (contains_secret_words(text) || any_word_is_secret(text));
}

std::string redact(std::span<const std::string_view> arguments) {
    Redactor redactor;
    for (const auto argument : arguments)
        redactor.argument(argument);
    return redactor.take();
}

std::optional<ArgumentPolicy> parse_argument_policy(std::string_view word) {
    for (const auto policy : {ArgumentPolicy::off, ArgumentPolicy::redacted, ArgumentPolicy::full})
        if (word == to_string(policy))
            return policy;
    return std::nullopt;
}

std::string_view to_string(ArgumentPolicy policy) {
    switch (policy) {
    case ArgumentPolicy::off:
        return "off";
    case ArgumentPolicy::redacted:
        return "redacted";
    case ArgumentPolicy::full:
        return "full";
    }
    return "";
}

} // namespace portd::capture
