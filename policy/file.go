package policy

import (
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// file is policies.yaml as its operators write it. The doc tags become the JSON Schema's descriptions.
type file struct {
	Org        string                  `yaml:"org,required" doc:"The organisation that pays."`
	Timezone   string                  `yaml:"timezone" doc:"IANA time zone in which budgets and quotas begin, such as America/New_York. Default: UTC."`
	Calendar   calendarYAML            `yaml:"calendar" doc:"When months, quarters and years begin, and which days are holidays."`
	Budget     []budgetYAML            `yaml:"budget" doc:"The whole organisation's budget, or several."`
	Limits     limitsYAML              `yaml:"limits" doc:"The whole organisation's limits."`
	Defaults   defaultsYAML            `yaml:"defaults" doc:"What holds where nothing else is said."`
	Currencies map[string]usd          `yaml:"currencies" doc:"What one whole unit of another currency is worth in dollars, such as {eur: 1.0842}: for fees by amount."`
	Teams      map[string]teamYAML     `yaml:"teams" doc:"Who pays: teams by name."`
	Services   map[string]serviceYAML  `yaml:"services" doc:"Who calls: services by name, each of one team."`
	Issuers    map[string]issuerYAML   `yaml:"issuers" doc:"Who signs tokens of workloads, such as a Kubernetes cluster: issuers by name."`
	Groups     groupsYAML              `yaml:"groups" doc:"Names for models and endpoints that several rules speak of: a rule's match names a group as @NAME."`
	Schedules  map[string]scheduleYAML `yaml:"schedules" doc:"Times by name, such as business hours and freezes, on which rules can depend."`
	Subjects   subjectsYAML            `yaml:"subjects" doc:"Where requests say for which end user and in which session they are made: rules can count by them, and the ledger keeps pseudonyms of them."`
	Ledger     ledgerYAML              `yaml:"ledger" doc:"What the ledger keeps besides."`
	Providers  map[string]providerYAML `yaml:"providers" doc:"What may be called. The name is the path prefix at the gateway."`
	Egress     egressYAML              `yaml:"egress" doc:"Hosts that are no provider's, for clients that come through the proxy or are redirected."`
	Policies   []ruleYAML              `yaml:"policies" doc:"Rules; every rule that matches a call applies, up to a final one."`
	Alerts     alertsYAML              `yaml:"alerts" doc:"Who is told what, and how."`
}

type subjectsYAML struct {
	User    *subjectYAML `yaml:"user" doc:"The end user. Default, where a rule counts by user: the body's safety_identifier, user or metadata.user_id."`
	Session *subjectYAML `yaml:"session" doc:"The session, conversation or run."`
}

type subjectYAML struct {
	Header string   `yaml:"header" doc:"A header of the gateway's own, such as x-end-user. It comes before the body, and no provider gets it."`
	Body   []string `yaml:"body" doc:"Members of a JSON body, the first that is there: NAME, or NAME.NAME of an object in it, such as metadata.user_id."`
}

type ledgerYAML struct {
	Tags []string `yaml:"tags" doc:"Tags of services that every entry and the sums by minute, hour and day keep, at most four: sentinel usage --by tag.env."`
}

type calendarYAML struct {
	AnchorDay  *monthDay `yaml:"anchor_day" doc:"Day on which months, quarters and years begin; in shorter months their last day. Default: 1."`
	FiscalYear string    `yaml:"fiscal_year" enum:"january,february,march,april,may,june,july,august,september,october,november,december" doc:"The month in which years begin; quarters follow from it. Default: january."`
	Holidays   []string  `yaml:"holidays" doc:"Countries by their ISO code, such as us, and dates, such as 2026-12-24: forecasts learn what holidays do to spend. Default: none."`
}

type defaultsYAML struct {
	Unpriced        unpricedYAML    `yaml:"unpriced" doc:"What to do with calls that have no price: deny (default), alert (allow at no cost, and mark them), or {flat_usd: 0.01}."`
	WhenLimiterDown limiterDownYAML `yaml:"when_redis_is_down" doc:"What to do while Redis cannot be reached."`
}

type limiterDownYAML struct {
	HardBudgets downMode `yaml:"hard_budgets" doc:"closed (default), local or open."`
	Rates       downMode `yaml:"rates" doc:"closed, local or open (default)."`
	LocalShare  *share   `yaml:"local_share" doc:"Of local: what each sentinel process may give of what was left, at most 100% divided by their number. Default: 10%."`
}

type groupsYAML struct {
	Models    map[string][]string `yaml:"models" doc:"Models and patterns by the group's name, such as {large: [\"gpt-5*\", \"o3*\"]}."`
	Endpoints map[string][]string `yaml:"endpoints" doc:"Endpoints and patterns by the group's name, such as {chat: [chat.completions, messages]}."`
}

type teamYAML struct {
	Budget []budgetYAML `yaml:"budget" doc:"The team's budget, or several."`
	Limits limitsYAML   `yaml:"limits" doc:"The team's limits."`
}

type serviceYAML struct {
	Team     string            `yaml:"team,required" doc:"The name of the team that pays."`
	Identity identityYAML      `yaml:"identity,required" doc:"How the service is recognised, in at least one way: token, issued, spiffe, jwt, aws or addresses."`
	Budget   []budgetYAML      `yaml:"budget" doc:"The service's own budget, or several."`
	Limits   limitsYAML        `yaml:"limits" doc:"The service's own limits."`
	Class    string            `yaml:"class" enum:"normal,high" doc:"normal (default), or high: the service may use what limits reserve for the class."`
	Tags     map[string]string `yaml:"tags" doc:"What rules can match and count by, such as {env: prod}."`
}

type identityYAML struct {
	Token  string   `yaml:"token" doc:"The token that the service sends as its API key, or sha256:HEX of it."`
	Issued bool     `yaml:"issued" doc:"Tokens that sentinel tokens issues to the service."`
	SPIFFE string   `yaml:"spiffe" doc:"The URI in the service's client certificate."`
	JWT    *jwtYAML `yaml:"jwt" doc:"The token that the service's platform gives it, such as a projected service account token of Kubernetes."`
	AWS    *awsYAML `yaml:"aws" doc:"The access key that was issued to the service for AWS SDKs."`
	// Addresses are a weaker proof than a secret, so they hold for redirected connections only, which have none.
	Addresses []string `yaml:"addresses" doc:"Source addresses and networks, such as 10.2.3.0/24, of connections that the network redirects to the gateway. Nowhere else do they identify anybody."`
}

type jwtYAML struct {
	Issuer  string `yaml:"issuer,required" doc:"One of issuers, by its name here."`
	Subject string `yaml:"subject,required" doc:"The token's sub, to the letter: in Kubernetes system:serviceaccount:NAMESPACE:NAME."`
}

type issuerYAML struct {
	URL       string `yaml:"url,required" doc:"The iss of its tokens, to the letter; its keys are found by its discovery document."`
	Audience  string `yaml:"audience,required" doc:"What must stand in the aud of its tokens, such as sentinel."`
	JWKS      string `yaml:"jwks" doc:"URL of its keys. Default: as its discovery document says."`
	CAFile    string `yaml:"ca_file" doc:"File of the certificate authorities to trust for it. Default: the system's."`
	TokenFile string `yaml:"token_file" doc:"File of a bearer token for reading the keys, as Kubernetes wants it: /var/run/secrets/kubernetes.io/serviceaccount/token."`
}

type awsYAML struct {
	AccessKeyID string  `yaml:"access_key_id,required" doc:"The issued access key id."`
	Secret      refYAML `yaml:"secret,required" doc:"Where the issued secret lies: vault:MOUNT/PATH#FIELD."`
}

type providerYAML struct {
	Preset     string                 `yaml:"preset" doc:"A known API, such as openai, stripe, twilio or aws-bedrock: sentinel prices show lists them. Without it, host and endpoints describe a custom API."`
	Host       string                 `yaml:"host" doc:"The provider's host name; presets know theirs."`
	Address    string                 `yaml:"address" doc:"ip:port to connect to instead of the host's own address. The certificate must still be the host's."`
	CAFile     string                 `yaml:"ca_file" doc:"File of the certificate authorities to trust for this provider. Default: the system's."`
	Shows      certificateYAML        `yaml:"certificate" doc:"A certificate that is shown to the provider (mTLS), besides the credential."`
	Plaintext  bool                   `yaml:"plaintext" doc:"Connect without TLS. For tests on one machine."`
	Region     string                 `yaml:"region" doc:"AWS region."`
	Credential credentialYAML         `yaml:"credential,required" doc:"Where the credential lies, such as vault:secret/openai#api_key, or a mapping that also says how it is sent."`
	Budget     []budgetYAML           `yaml:"budget" doc:"Budget of all calls to this provider, or several."`
	Limits     limitsYAML             `yaml:"limits" doc:"Limits on all calls to this provider together."`
	Endpoints  []declare.EndpointYAML `yaml:"endpoints" doc:"A custom API's endpoints. What is not listed cannot be called."`
	Models     map[string]string      `yaml:"models" doc:"Models by the provider's own names for them, such as the deployments of Azure: {our-chat: gpt-5-mini}. They cost what the model costs."`
	Contract   contractYAML           `yaml:"contract" doc:"What was agreed with the provider, or with those who are charged: discount, margin and prices of one's own."`
	PricedAs   string                 `yaml:"priced_as" doc:"The catalog's provider whose prices hold for models that have none under the preset's own name, such as together."`
	Tier       string                 `yaml:"default_tier" doc:"The price list of calls that name none, where a setting of the project at the provider chooses one: default, priority, fast or flex. They are held at the dearer of it and the standard one. For OpenAI and Azure OpenAI."`
	Allow      []string               `yaml:"allow" doc:"The preset's endpoints that may be called. Default: all that the preset lists, but those that move money out or change who has access (such as any.post of stripe)."`
	OnBehalf   bool                   `yaml:"on_behalf" doc:"Calls may name other accounts than the credential's own: OpenAI-Organization, Stripe-Account, transfer_data, x-goog-user-project and the like."`
	Redirects  bool                   `yaml:"redirects" doc:"Calls may send the provider's server elsewhere: by api_base, base_url, webhook_url, Anthropic's mcp_servers, OpenAI's tools of type mcp and the like, or by URLs of private networks, of this machine and of files. For servers of your own that imitate an API."`
}

type certificateYAML struct {
	Vault authorityYAML `yaml:"vault,required" doc:"Who issues it: MOUNT#ROLE of Vault's PKI engine, such as vault:pki#gateway. The authority's key stays there; the certificate's is made anew for each one, and lies in memory alone."`
	Name  string        `yaml:"name,required" doc:"The host name in it, by which the provider knows the gateway, such as gateway.acme.example. The role must allow it."`
	Life  time.Duration `yaml:"life" doc:"How long it holds, 10s to 2160h. After half of that another one takes its place, without a restart. Default: 24h."`
}

type contractYAML struct {
	Discount *share                       `yaml:"discount" doc:"Off every price of the provider, such as 12%."`
	Margin   *share                       `yaml:"margin" doc:"On top of every price after the discount, such as 5%: for chargeback."`
	Prices   map[string]declare.RatesYAML `yaml:"prices" doc:"Models by name with rates of one's own, in dollars a million tokens: {gpt-5: {input: 1.00, cached_input: 0.10, output: 8.00}}. Discount and margin do not touch them."`
	Models   []declare.ModelYAML          `yaml:"models" doc:"Models with prices of one's own, as the catalog writes them: from a date on, by length of context, and by price list (batch, flex, priority). A price list, and a day, that they do not have is billed as published, with discount and margin."`
}

type credentialYAML struct {
	Vault   refYAML    `yaml:"vault,required" doc:"Where it lies: MOUNT/PATH#FIELD in Vault, aws:NAME#FIELD in AWS Secrets Manager, file:FOLDER#FILE below files.dir. In Vault that is a KV mount of either version, or an engine that makes secrets, such as db/creds/ROLE#password. For an AWS key without a field: a secret with access_key_id and secret_access_key, or vault:aws/creds/ROLE of Vault's AWS engine."`
	Type    string     `yaml:"type" enum:"bearer,header,basic,query,sigv4" doc:"How the credential is sent. Default: as the preset does; bearer for a custom API."`
	Header  string     `yaml:"header" doc:"The header that carries the credential as it is, such as x-api-key."`
	Query   string     `yaml:"query" doc:"The parameter of the query that carries the credential, such as key: in a custom API, whose callers show their token in a header. A parameter of that name that a caller sends is taken away."`
	Weight  int        `yaml:"weight" doc:"Share of calls beside those of also, 1 (default) to 1000."`
	Also    []alsoYAML `yaml:"also" doc:"More credentials of the same kind, such as of other accounts at the provider. One that is refused (401) is left out for five minutes and alerted, one whose quota is used up (429) for as long as the provider says; the call that met it goes on with another."`
	Service string     `yaml:"service" doc:"Of type sigv4 in a custom API: the AWS service's name in signatures, such as kinesis."`
	Rotate  rotateYAML `yaml:"rotate" doc:"How sentinel keys rotate, or a schedule, gives it another value."`
}

type rotateYAML struct {
	Make    string        `yaml:"make" enum:"manual,aws-iam,openai,vault" doc:"Who makes the new key. manual (default): the operator, who gives it to sentinel keys rotate; aws-iam: the IAM user whose key it is; openai: a new service account in project; vault: the engine that lends it, of which every process takes another lease."`
	Every   time.Duration `yaml:"every" doc:"It is rotated after so long, such as 720h, by one process for all; 1h to 8760h. Default: only by sentinel keys rotate."`
	Keep    time.Duration `yaml:"keep" doc:"For how long the key before lives on at least; then while answers run that may need it, up to a day. Default: 15m."`
	Admin   refYAML       `yaml:"admin" doc:"Of openai: where the admin key lies, such as vault:secret/openai-admin#api_key."`
	Project string        `yaml:"project" doc:"Of openai: the project that the keys are of, such as proj_abc123."`
	Test    string        `yaml:"test" doc:"Path of a GET that costs nothing and needs a good key, such as /v1/me; most presets know theirs."`
}

type alsoYAML struct {
	Vault  refYAML    `yaml:"vault,required" doc:"Where it lies, as above."`
	Weight int        `yaml:"weight" doc:"Share of calls, 1 (default) to 1000."`
	Teams  []string   `yaml:"teams" doc:"Only calls of these teams, and they use no other. Default: the calls of all teams that none names."`
	Rotate rotateYAML `yaml:"rotate" doc:"How it is given another value, as above."`
}

// UnmarshalText reads the short form.
func (c *credentialYAML) UnmarshalText(b []byte) error { return c.Vault.UnmarshalText(b) }

// SchemaHint describes the short form.
func (c *credentialYAML) SchemaHint() strictyaml.Hint { return c.Vault.SchemaHint() }

type ruleYAML struct {
	Name     string        `yaml:"name,required" doc:"Unique; people see it when the rule refuses a call."`
	Mode     string        `yaml:"mode" enum:"enforced,shadow" doc:"enforced (default), or shadow: the rule is judged and counted as if it were enforced, and no call meets it. sentinel policy shadow tells what it would have done."`
	Match    matchYAML     `yaml:"match" doc:"Which calls; everything that is left out matches all."`
	Limits   limitsYAML    `yaml:"limits" doc:"Limits on the calls that match."`
	Budget   []budgetYAML  `yaml:"budget" doc:"Budget of the calls that match, or several."`
	Per      []perYAML     `yaml:"per" doc:"Each team, service, provider, credential, endpoint, model, user, session or tag.NAME, or each combination of several, has limits of its own. Default: all calls that match share them."`
	Across   bool          `yaml:"across" doc:"The limits are shared by all organisations whose processes have the same redis.group and whose policies have a rule of this name: for a provider's key that all of them use."`
	Priority int           `yaml:"priority" doc:"Rules with a higher number come first: their cheaper models are tried first, and of several limits that are reached the first is named. Default: 0; rules of one priority keep the file's order."`
	Final    bool          `yaml:"final" doc:"Rules that come after this one do not apply to calls that it matches: so a team's own rule takes the place of everybody's."`
	During   []string      `yaml:"during" doc:"The rule holds in these schedules only. Default: always."`
	Except   []string      `yaml:"except" doc:"The rule does not hold in these schedules."`
	Canary   *share        `yaml:"canary" doc:"The rule holds for this share of services, such as 10%: always the same ones, and more of them when the share grows. Default: all."`
	OnExceed []actionYAML  `yaml:"on_exceed" doc:"What happens past a limit, in order: {clamp: {output_tokens: 256}}, {downgrade: [models]}, {fallback: [PROVIDER/MODEL]}, {delay: 2s}, then throttle (default) or deny."`
	Failover *failoverYAML `yaml:"failover" doc:"Where a call goes when its provider fails it. Of several rules the first one that has it decides."`
	Capture  *captureYAML  `yaml:"capture" doc:"Bodies of the calls that are stored, encrypted, for a while: without it none is, ever. Of several rules the first one that has it decides."`
	Anomaly  *anomalyYAML  `yaml:"anomaly" doc:"The rule holds only while the service's last minutes are unusual."`
	Then     []thenYAML    `yaml:"then" doc:"What happens to the calls, whatever was used: deny, such as in a freeze, or {downgrade: [models]}. With anomaly also {throttle: {requests: 10/minute}} and {alert: channel}."`
}

type anomalyYAML struct {
	Above above         `yaml:"above,required" doc:"How unusual, such as 0.999: one minus the share of the service's minutes that are as unusual as this one."`
	For   time.Duration `yaml:"for" doc:"For how long without a break, 1m (default) to 1h. The rule then holds for fifteen minutes after the last such time."`
}

type thenYAML struct {
	action    sentinel.Action
	Throttle  limitsYAML `yaml:"throttle" doc:"Limits that hold meanwhile, such as {requests: 10/minute}."`
	Downgrade []string   `yaml:"downgrade" doc:"Cheaper models that calls go to instead, in order. A call that cannot be sent for another model goes out as it is."`
	Alert     string     `yaml:"alert" doc:"The channel of alerts that is told."`
}

type matchYAML struct {
	Team     []string          `yaml:"team" doc:"Teams. * stands for any text, ? for any character."`
	Service  []string          `yaml:"service" doc:"Services. * stands for any text, ? for any character."`
	Provider []string          `yaml:"provider" doc:"Providers by their names in this file. * stands for any text, ? for any character."`
	Endpoint []string          `yaml:"endpoint" doc:"Endpoints, such as chat.completions. * stands for any text, ? for any character."`
	Tag      map[string]string `yaml:"tag" doc:"Tags of the service, such as {env: prod}. * stands for any text, ? for any character."`
	When     string            `yaml:"when" doc:"A condition in CEL besides, such as call.model.startsWith(\"gpt-5\") && caller.team == \"growth\". It sees call.provider, call.endpoint, call.model, call.tier, call.stream, caller.team, caller.service and caller.tags. One that cannot be judged holds."`
	Model    []string          `yaml:"model" doc:"Models as the caller asks for them. * stands for any text, ? for any character."`
}

type limitsYAML struct {
	Requests     []perTime `yaml:"requests" doc:"Such as 60/minute or 10k/day. By second, minute or hour it is a pace, by day or longer a calendar quota."`
	Tokens       []perTime `yaml:"tokens" doc:"Input and output together, such as 200k/minute."`
	InputTokens  []perTime `yaml:"input_tokens" doc:"Such as 1m/day."`
	OutputTokens []perTime `yaml:"output_tokens" doc:"Such as 100k/hour."`
	Concurrent   *count    `yaml:"concurrent" doc:"Calls in flight at once."`
	Reserve      *share    `yaml:"reserve" doc:"A share of each of these limits, such as 20%, that only services of class high may use. Default: none."`
}

type budgetYAML struct {
	USD       moneyPerTime `yaml:"usd,required" doc:"Dollars in a calendar hour, day, week, month, quarter or year of the policy's time zone, such as 20000/month; 5000/fixed is one sum without end."`
	Mode      string       `yaml:"mode" enum:"hard,soft" doc:"hard (default): never overspent; soft: counted, not enforced."`
	WarnAt    []share      `yaml:"warn_at" doc:"Shares such as [50%, 80%, 100%]; each is reported once a window."`
	Reserve   *share       `yaml:"reserve" doc:"A share of the budget, such as 20%, that only services of class high may use. Default: none."`
	Rollover  *share       `yaml:"rollover" doc:"What the window before left carries over into this one, up to this share of the budget, such as 25%. A window in which nothing was spent leaves nothing. Default: none."`
	AnchorDay *monthDay    `yaml:"anchor_day" doc:"Day on which this budget's months, quarters or years begin. Default: calendar.anchor_day."`
}

type clampYAML struct {
	OutputTokens count `yaml:"output_tokens,required" doc:"The fewest tokens that an answer is worth sending for, such as 256; below it the next action follows."`
}

type actionYAML struct {
	action    sentinel.Action
	Downgrade []string      `yaml:"downgrade" doc:"Cheaper models, tried in order. A pattern of the rule's own match.model does not cover them."`
	Fallback  []string      `yaml:"fallback" doc:"Models of other providers as PROVIDER/MODEL, tried in order after the cheaper ones. Requests and answers are translated between OpenAI's chat completions and Anthropic's messages."`
	Clamp     *clampYAML    `yaml:"clamp" doc:"The answer is made shorter, so that its bound fits what is left: before cheaper models are tried, and for the text APIs of OpenAI and the hosts that speak as it does, Anthropic, Google, Bedrock and Cohere."`
	Delay     time.Duration `yaml:"delay" doc:"How long a call may wait for a pace or a slot of the rule, at most 2s; then the next action."`
}
