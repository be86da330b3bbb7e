"""infra/batch.yaml in moto, and its policies enforced: what a role does not allow is refused. Tests only.

moto creates the stack, assumes roles and knows which action a request is. It lacks: conditions of policies, the
resource of most requests but those of S3, service-linked roles.
"""

import ast
import base64
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import unescape

import moto.settings
import yaml
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import IAMRequestBase

from tests.aws.batch_server import BatchServer

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "infra/batch.yaml"
BUCKET, PREFIX, STACK = "project", "runs/toy", "lab"


def deploy(server: BatchServer) -> dict[str, str]:
    """Create the stack; return its account.env and, as DriverPolicy, the policy of the driver."""
    template = yaml.safe_load(TEMPLATE.read_text())
    for name in ("SpotEnvironment", "OnDemandEnvironment"):  # AWS takes its service-linked role
        template["Resources"][name]["Properties"]["ServiceRole"] = {"Fn::GetAtt": ["InstanceRole", "Arn"]}
    ec2, cloudformation, iam = (server.client(name) for name in ("ec2", "cloudformation", "iam"))
    user_data = subprocess.check_output(
        [ROOT / "containers/runtime/print_user_data", f"s3://{BUCKET}/runtime/x.tar.gz"]
    )
    given = {
        "BucketName": BUCKET,
        "Prefix": PREFIX,
        "UserData": base64.b64encode(user_data).decode(),
        "VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "Subnets": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        "InstanceTypes": "m5.large,c5.2xlarge",
        "MaxVcpus": "64",
        "ScratchGiB": "50",
    }
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    for role in iam.list_roles()["Roles"]:  # moto keeps the policies of a stack's roles as Python writes them
        for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
            policy = json.dumps(ast.literal_eval(policy))
            iam.put_role_policy(RoleName=role["RoleName"], PolicyName=name, PolicyDocument=policy)
    told = {
        one["OutputKey"]: one["OutputValue"]
        for one in cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
    }
    account = dict(line.split("=", 1) for line in told.pop("Account").splitlines())
    return account | told


def variables(answer: Mapping[str, Any], token: str | None = None) -> dict[str, str]:
    """Credentials as variables of the environment."""
    found = {"AWS_ACCESS_KEY_ID": answer["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"]}
    return found | ({"AWS_SESSION_TOKEN": token} if token else {})


def act_as_role(server: BatchServer, arn: str) -> dict[str, str]:
    answer = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="job")["Credentials"]
    return variables(answer, answer["SessionToken"])


def act_as_user(server: BatchServer, policy: str) -> dict[str, str]:
    """A user who may do what a policy allows."""
    iam = server.client("iam")
    iam.create_user(UserName="driver")
    iam.attach_user_policy(UserName="driver", PolicyArn=policy)
    return variables(iam.create_access_key(UserName="driver")["AccessKey"])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def applies(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a statement speaks of a request; raise KeyError at a condition that no test has needed yet."""
    # IAM does not tell upper from lower case in actions, and moto writes some as they stand in an address.
    if not any(fnmatchcase(action.lower(), one.lower()) for one in listed(statement["Action"])):
        return False
    known = resource != "*"  # else moto does not know it
    if known and not any(fnmatchcase(resource, one) for one in listed(statement["Resource"])):
        return False
    for operator, wanted in statement.get("Condition", {}).items():
        matches = {"StringLike": fnmatchcase}[operator]
        for key, patterns in wanted.items():
            if not any(matches(context[key], pattern) for pattern in listed(patterns)):
                return False
    return True


def allowed(policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """IAM's rule: some statement allows the request, and none denies it."""
    found = [
        statement["Effect"]
        for policy in policies
        for statement in listed(policy["Statement"])
        if applies(statement, action, resource, context)
    ]
    return "Allow" in found and "Deny" not in found


@contextmanager
def enforced() -> Iterator[list[tuple[str, str]]]:
    """Refuse what the credentials of a request do not allow; yields the list of what was refused."""
    refused: list[tuple[str, str]] = []
    kept = IAMRequestBase.check_signature, IAMRequestBase.check_action_permitted

    def check(request: IAMRequestBase, resource: str) -> None:
        if request._action == "sts:GetCallerIdentity":
            return
        documents = [document_of(policy) for policy in request._access_key.collect_policies()]
        query = parse_qs(urlsplit(request._path).query, keep_blank_values=True)
        context = {"s3:prefix": query.get("prefix", [""])[0]}
        if not all(allowed(documents, request._action, one, context) for one in resources(request, resource)):
            refused.append((request._action, resource))
            request._raise_access_denied()

    IAMRequestBase.check_signature = lambda request: None  # moto knows no signature of a body in chunks
    IAMRequestBase.check_action_permitted = check
    count, moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = moto.settings.INITIAL_NO_AUTH_ACTION_COUNT, 0
    ActionAuthenticatorMixin.request_count = 0
    try:
        yield refused
    finally:
        moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = count
        IAMRequestBase.check_signature, IAMRequestBase.check_action_permitted = kept


def resources(request: IAMRequestBase, resource: str) -> list[str]:
    """What a request is about: of DeleteObjects the objects, where moto asks for the bucket."""
    if request._action != "s3:DeleteObject" or "/" in resource:
        return [resource]
    body = request._body.decode() if isinstance(request._body, bytes) else request._body
    return [f"{resource}/{unescape(key)}" for key in re.findall("<Key>(.*?)</Key>", body)]


def document_of(policy: Any) -> Mapping[str, Any]:
    """A policy as moto hands it over: managed, inline of a role, or inline of a user."""
    if hasattr(policy, "versions"):
        text = next(version.document for version in policy.versions if version.is_default)
    else:
        text = policy["policy_document"] if isinstance(policy, dict) else policy
    return json.loads(text) if isinstance(text, str) else text
